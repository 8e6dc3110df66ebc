using System.CommandLine;
using System.Globalization;
using Pando.Cli.Views;
using Pando.Linux.Proc;
using Pando.Linux.Report;

namespace Pando.Cli.Commands;

/// <summary>pando explain PID ADDRESS: everything about one range of one process.</summary>
internal static class ExplainCommand
{
    private static readonly Argument<int> Pid = new("PID") { Description = "The process." };
    private static readonly Argument<string> Address = new("ADDRESS") { Description = "A virtual address, hexadecimal (7f..., with or without 0x)." };
    private static readonly Option<bool> Json = new("--json") { Description = "Write the answer as JSON." };

    public static Command Create()
    {
        var command = new Command("explain", "Everything about one range: mapping, object, entry, frame, tables and who could share them.") { Pid, Address, Json };
        command.SetAction(parsed => CommandErrors.Guard(() => Run(parsed)));
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        var text = parsed.GetValue(Address) ?? "";
        var digits = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text[2..] : text;
        if (!ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var address))
        {
            return CommandErrors.Fail($"'{text}' is not an address. Give one in hexadecimal as /proc/PID/maps does, as in: 7f0000000000");
        }

        if (!OperatingSystem.IsLinux())
        {
            return CommandErrors.Fail("This machine has no Linux to read.");
        }

        var report = RangeReader.Explain(parsed.GetValue(Pid), address, new ScanOptions { FileAsker = FileAskerCommand.CommandLine() });
        if (parsed.GetValue(Json))
        {
            Console.Out.WriteLine(ReportJson.Write(report));
        }
        else
        {
            RangeView.Write(Console.Out, report);
        }

        return 0;
    }
}
