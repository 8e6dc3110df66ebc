using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Globalization;
using System.Runtime.Versioning;
using Pando.Cli.Run;
using Pando.Exec;
using Pando.Exec.Running;
using Pando.Hardware;
using Pando.Linux.Text;

namespace Pando.Cli.Commands;

/// <summary>pando exec: runs an unmodified Linux program, and all that it starts, as processes of a machine of its own.</summary>
internal static class ExecCommand
{
    private const int CannotStart = 125;

    private const string Notes = """
        Examples:
          pando exec -- /bin/ls -l /
          pando exec --summary -- sh -c 'echo hello; ls | wc -l'
          pando exec --share none --ram 8GiB -- PROGRAM ARGS...
              The same without sharing, for comparison.

        This is no sandbox: the program's system calls are made with your rights.

        Exit codes: the program's own; 128 and the signal's number where a signal ended it; 125 pando cannot run it, 126 the program
        cannot be executed, 127 it is not found.
        """;

    private static readonly Option<string> Ram = new("--ram") { Description = "RAM of the machine: private memory and page tables take from it.", HelpName = "SIZE", DefaultValueFactory = _ => "4GiB" };
    private static readonly Option<string> Share = new("--share") { Description = "The largest span whose tables are shared: none, 2MiB, 1GiB or 512GiB.", HelpName = "LEVEL", DefaultValueFactory = _ => "512GiB" };
    private static readonly Option<string[]> Variables = new("--env") { Description = "A variable of the program's environment, beside this process's own. May be given several times.", HelpName = "NAME=VALUE" };
    private static readonly Option<string?> Directory = new("--cwd") { Description = "The program's working directory. [default: this process's own]", HelpName = "DIR" };
    private static readonly Option<bool> Trace = new("--strace") { Description = "Write each system call to standard error." };
    private static readonly Option<bool> Summary = new("--summary") { Description = "At the end, write to standard error how many processes and system calls there were." };
    private static readonly Option<bool> Tables = new("--tables") { Description = "At the end, write to standard error what page tables there were when most processes were alive." };
    private static readonly Argument<string[]> Program = new("PROGRAM") { Description = "The program and its arguments, after --.", Arity = ArgumentArity.OneOrMore };

    public static Command Create()
    {
        var command = new Command("exec", "Run an unmodified Linux program on these page tables.") { Ram, Share, Variables, Directory, Trace, Summary, Tables, Program };
        command.SetAction(Run);
        command.Options.Add(new HelpOption { Action = new NotesAfterHelp() });
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        if (!OperatingSystem.IsLinux())
        {
            return Fail("programs of Linux run where the host is Linux");
        }

        try
        {
            return Run(ReadOptions(parsed), parsed.GetValue(Summary), parsed.GetValue(Tables));
        }
        catch (InputException e)
        {
            return Fail(e.Message);
        }
        catch (ExecException e)
        {
            Console.Error.WriteLine($"pando exec: {e.Message}");
            return e.Status;
        }
    }

    [SupportedOSPlatform("linux")]
    private static int Run(ExecOptions options, bool summary, bool tables)
    {
        var result = ProgramRunner.Run(options);
        if (summary)
        {
            Console.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"pando exec: {result.Processes:N0} processes, {result.Calls:N0} system calls"));
        }

        if (tables)
        {
            WriteTables(result);
        }

        return result.Status;
    }

    private static void WriteTables(ExecResult result)
    {
        var totals = result.Tables;
        Console.Error.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"pando exec: when {result.MostProcesses:N0} processes were alive, page tables took {ByteText.Precise(totals.Bytes)}: {totals.Files.Sum():N0} tables of files, {totals.Spaces.Sum():N0} of processes' own"));
        for (int level = Level.Pgd; level >= Level.Pte; level--)
        {
            if (totals.At(level) > 0)
            {
                Console.Error.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"  {X64Format.FourLevels.Geometry.NameOf(level)}: {totals.Files[level],10:N0} of files {totals.Spaces[level],10:N0} of processes"));
            }
        }
    }

    private static ExecOptions ReadOptions(ParseResult parsed)
    {
        const long Unit = 2L << 20;
        long ram = ByteSize.Parse("--ram", parsed.GetValue(Ram)!);
        if (ram < 64L << 20 || ram % Unit != 0 || ram > 4L << 40)
        {
            throw new InputException($"--ram: {ByteSize.Exact(ram)} cannot be the machine's RAM; use a multiple of 2MiB from 64MiB to 4TiB, as in 8GiB");
        }

        string[] added = parsed.GetValue(Variables) ?? [];
        if (added.FirstOrDefault(static one => one.IndexOf('=', StringComparison.Ordinal) < 1) is { } bad)
        {
            throw new InputException($"--env: '{bad}' is no variable; write NAME=VALUE");
        }

        var environment = Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
            .ToDictionary(static one => (string)one.Key, static one => (string?)one.Value ?? "");
        foreach (string one in added)
        {
            int equals = one.IndexOf('=', StringComparison.Ordinal);
            environment[one[..equals]] = one[(equals + 1)..];
        }

        return new ExecOptions
        {
            Command = parsed.GetValue(Program)!,
            Environment = [.. environment.Select(static pair => $"{pair.Key}={pair.Value}")],
            WorkingDirectory = parsed.GetValue(Directory),
            Ram = ram,
            Sharing = ShareLevel.Parse(parsed.GetValue(Share)!).Levels,
            Trace = parsed.GetValue(Trace) ? Console.Error : null,
            Messages = Console.Error,
        };
    }

    private static int Fail(string message)
    {
        Console.Error.WriteLine($"pando exec: {message}");
        return CannotStart;
    }

    /// <summary>The ordinary help, and below it examples.</summary>
    private sealed class NotesAfterHelp : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            int code = new HelpAction().Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.WriteLine(Notes);
            return code;
        }
    }
}
