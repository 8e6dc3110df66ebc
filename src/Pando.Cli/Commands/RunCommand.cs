using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using Pando.Cli.Run;

namespace Pando.Cli.Commands;

/// <summary>pando run: builds a world of processes that map the same memory, and shows what their page tables come to.</summary>
internal static class RunCommand
{
    private const int Failed = 1;
    private const int Interrupted = 130;

    private const string Examples = """
        Examples:
          pando run
              The case that started it: 10,000 processes, each mapping 6 TiB in 2 MiB pages.
          pando run --memory 64GiB --processes 500 --page 4KiB --share 1GiB --share none
              Small pages; one world that shares at 1 GiB and one that does not share.
          pando run --memory 1TiB --processes 100 --share 512GiB --pmem pmem.img
              The memory's bytes are kept in a (sparse) file, and are there afterwards.
          pando run --levels 5 --json > world.json
              Page tables with 5 levels; the report for another program.

        Exit codes: 0 all proved right, 1 a proof failed, 2 input that cannot be used, 130 interrupted.
        """;

    private static readonly Option<string> Memory = new("--memory") { Description = "Memory that every process maps.", HelpName = "SIZE", DefaultValueFactory = _ => "6TiB" };
    private static readonly Option<string> Processes = new("--processes") { Description = "How many processes.", HelpName = "COUNT", DefaultValueFactory = _ => "10000" };
    private static readonly Option<string> Page = new("--page") { Description = "The size of a page: 4KiB, 2MiB or 1GiB.", HelpName = "SIZE", DefaultValueFactory = _ => "2MiB" };

    private static readonly Option<string[]> Share = new("--share")
    {
        Description = "The largest span whose tables are shared: none, 2MiB, 1GiB or 512GiB. Give several to compare. [default: 512GiB, 1GiB, none]",
        HelpName = "LEVEL",
        AllowMultipleArgumentsPerToken = true,
    };

    private static readonly Option<string> Levels = new("--levels") { Description = "Levels of page tables: 4 or 5 (LA57).", HelpName = "COUNT", DefaultValueFactory = _ => "4" };
    private static readonly Option<string?> Pmem = new("--pmem") { Description = "A file that keeps the memory's bytes; made (sparse) if it does not exist. The proof stores to it. Otherwise the bytes are gone afterwards.", HelpName = "FILE" };
    private static readonly Option<string?> Threads = new("--threads") { Description = "Threads that build. [default: one for each processor]", HelpName = "COUNT" };
    private static readonly Option<string?> Budget = new("--budget") { Description = "The most RAM that the page tables of one world may take; of a world that is larger, as many processes are built as fit. [default: 1GiB, or half of the RAM that is free]", HelpName = "SIZE" };
    private static readonly Option<string> Processor = new("--processor") { Description = "What runs a program in every process: kvm (real processors), software, or auto: kvm where it can be used.", HelpName = "KIND", DefaultValueFactory = _ => "auto" };
    private static readonly Option<bool> Json = new("--json") { Description = "Write the report as JSON." };

    public static Command Create()
    {
        var command = new Command("run", "Build a world of processes that map the same memory, and see what their page tables cost.")
        {
            Memory, Processes, Page, Share, Levels, Pmem, Threads, Budget, Processor, Json,
        };
        command.SetAction(Run);
        command.Options.Add(new HelpOption { Action = new ExamplesAfterHelp() });
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        using var cancel = new CancellationTokenSource();
        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            cancel.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            var options = ReadInput(parsed).Validate(MemoryUse.Available);
            var report = RunWork.Run(options, CreateProgress(), cancel.Token);
            if (parsed.GetValue(Json))
            {
                Console.Out.WriteLine(RunJson.Write(report));
            }
            else
            {
                RunTable.Write(RunTable.ConsoleFor(Console.Out, !Console.IsOutputRedirected), report);
            }

            return report.Passed ? 0 : Failed;
        }
        catch (InputException e)
        {
            return CommandErrors.Fail(e.Message);
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("pando: interrupted; nothing is left behind");
            return Interrupted;
        }
    }

    private static RunInput ReadInput(ParseResult parsed) => new()
    {
        Memory = parsed.GetValue(Memory)!,
        Processes = parsed.GetValue(Processes)!,
        Page = parsed.GetValue(Page)!,
        Share = parsed.GetValue(Share) ?? [],
        Levels = parsed.GetValue(Levels)!,
        Pmem = parsed.GetValue(Pmem),
        Threads = parsed.GetValue(Threads),
        Budget = parsed.GetValue(Budget),
        Processor = parsed.GetValue(Processor)!,
    };

    private static IRunProgress CreateProgress() =>
        Console.IsErrorRedirected
            ? new LineProgress(Console.Error)
            : new BarProgress(RunTable.ConsoleFor(Console.Error, isTerminal: true));

    /// <summary>The ordinary help, and below it examples.</summary>
    private sealed class ExamplesAfterHelp : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            int code = new HelpAction().Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.WriteLine(Examples);
            return code;
        }
    }
}
