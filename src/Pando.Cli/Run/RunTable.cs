using System.Globalization;
using Pando.Linux.Text;
using Spectre.Console;

namespace Pando.Cli.Run;

/// <summary>The report as one table, a column for each world, and a few lines below it.</summary>
internal static class RunTable
{
    private const int NarrowestWidth = 110;

    /// <summary>A console for the table: on a terminal as it is; elsewhere without colours and wide enough.</summary>
    public static IAnsiConsole ConsoleFor(TextWriter writer, bool isTerminal)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (!isTerminal)
        {
            console.Profile.Width = NarrowestWidth;
        }

        return console;
    }

    public static void Write(IAnsiConsole console, RunReport report)
    {
        var worlds = report.Worlds;
        var table = new Table().Border(TableBorder.Rounded).Title(Title(report));
        table.AddColumn("");
        foreach (var world in worlds)
        {
            table.AddColumn(new TableColumn(Heading(world)).RightAligned());
        }

        Row(table, "processes built", worlds, world => Count(world.ProcessesBuilt));
        table.AddEmptyRow();
        Row(table, "page tables of each process", worlds, world => ByteText.Precise(world.PerProcessBytes));
        LevelRows(table, worlds, level => level.PerProcess);
        Row(table, "page tables of the file, once", worlds, world => ByteText.Precise(world.FileBytes));
        LevelRows(table, worlds, level => level.File);
        Row(table, Invariant($"page tables of {report.Processes:N0} processes in all"), worlds, world => $"{(world.Extrapolated ? "* " : "")}{ByteText.Precise(world.TotalBytesOfAll)}");
        LevelRows(table, worlds, level => level.TotalOfAll);
        if (worlds.Any(world => world.Extrapolated))
        {
            Row(table, "  of which built and counted", worlds, world => ByteText.Precise(world.TotalBytes));
        }

        table.AddEmptyRow();
        Row(table, "leaf faults", worlds, world => Count(world.LeafFaults));
        Row(table, "attaches", worlds, world => Count(world.Attaches));
        Row(table, "time to build", worlds, world => Invariant($"{world.BuildSeconds:N2} s"));
        Row(table, "  of which the first process", worlds, world => Invariant($"{world.FirstSeconds:N2} s"));
        Row(table, "  each of the others", worlds, world => world.MicrosecondsPerProcess is { } each ? Invariant($"{each:N1} µs") : "-");
        Row(table, "  each attach of the others", worlds, world => world.NanosecondsPerAttach is { } each ? Invariant($"{each:N1} ns") : "-");
        Row(table, "exit of one process", worlds, world => world.ExitMicroseconds is { } exit ? Invariant($"{exit:N0} µs") : "-");
        Row(table, "memory of this command (VmRSS)", worlds, world => ByteText.Precise(world.ResidentBytes));
        Row(table, "  the most so far (VmHWM)", worlds, world => ByteText.Precise(world.ResidentPeakBytes));
        table.AddEmptyRow();
        ProgramRows.Write(worlds, (name, cell) => Row(table, name, worlds, cell));
        table.AddEmptyRow();
        Row(table, "processes that processors ran in", worlds, world => Count(world.Proof.Spaces));
        Row(table, worlds.All(world => world.Proof.HasBytes) ? "stores / loads through others" : "translations compared", worlds, world => Invariant($"{world.Proof.Stores:N0} / {world.Proof.Loads:N0}"));
        Row(table, "  faults of stores / of loads", worlds, world => Invariant($"{world.Proof.StoreFaults:N0} / {world.Proof.LoadFaults:N0}"));
        Row(table, "  wrong", worlds, world => Count(world.Proof.Wrong));
        if (report.Pmem is not null)
        {
            Row(table, "  stores found again in the file", worlds, world => Count(world.Proof.BytesInFile ?? 0));
        }

        Row(table, "audited tables", worlds, world => Count(world.Proof.AuditedTables));
        Row(table, "  slots", worlds, world => Count(world.Proof.AuditedSlots));
        Row(table, "  leaves", worlds, world => Count(world.Proof.AuditedLeaves));
        Row(table, "  time", worlds, world => Invariant($"{world.Proof.AuditSeconds:N2} s"));
        Row(table, "proof", worlds, world => world.Passed ? "passed" : "FAILED");
        console.Write(table);
        foreach (string note in RunNotes.For(report))
        {
            // Not through the table's console: it would break the lines where it ends.
            console.Profile.Out.Writer.WriteLine(note);
        }
    }

    private static string Title(RunReport report) =>
        Invariant($"{report.Processes:N0} processes, each mapping all {ByteText.Precise(report.MemoryBytes)} in {ByteText.Precise(report.PageBytes)} pages; {report.PageTableLevels} levels of tables, {report.Threads} {(report.Threads == 1 ? "thread" : "threads")}");

    private static string Heading(WorldReport world) => world.Share == ShareLevel.None.Name ? "nothing shared" : $"shared at {world.Share}";

    private static void Row(Table table, string name, IReadOnlyList<WorldReport> worlds, Func<WorldReport, string> cell) =>
        table.AddRow([new Text(name), .. worlds.Select(world => new Text(cell(world)).RightJustified())]);

    private static void LevelRows(Table table, IReadOnlyList<WorldReport> worlds, Func<LevelBytes, long> bytes)
    {
        for (int i = 0; i < worlds[0].Levels.Count; i++)
        {
            int at = i;
            if (worlds.Any(world => bytes(world.Levels[at]) > 0))
            {
                Row(table, $"  {worlds[0].Levels[i].Level}", worlds, world => bytes(world.Levels[at]) is > 0 and var value ? ByteText.Precise(value) : "-");
            }
        }
    }

    private static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
