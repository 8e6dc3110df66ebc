using System.Globalization;

namespace Pando.Cli.Run;

/// <summary>What the table says of the program that ran in every process.</summary>
internal static class ProgramRows
{
    public static void Write(IReadOnlyList<WorldReport> worlds, Action<string, Func<WorldReport, string>> row)
    {
        if (worlds.All(world => world.Program.Spaces == 0))
        {
            return;
        }

        var first = worlds[0].Program;
        string what = first.Processor == "kvm" ? Text($"on {first.Processors} KVM {(first.Processors == 1 ? "vCPU" : "vCPUs")}") : "in software";
        row($"processes that ran a program {what}", world => Text($"{world.Program.Spaces:N0}"));
        row("  pages read and written in each", world => Text($"the first {world.Program.PagesPerSpace:N0}"));
        row("  reads and writes / faults", world => Text($"{world.Program.Accesses:N0} / {world.Program.Faults:N0}"));
        row("  time", world => Text($"{world.Program.Seconds:N2} s"));
        row("  each process", world => Text($"{world.Program.Seconds * 1e6 / Math.Max(1, world.Program.Spaces):N1} µs"));
        row("  sums and counters", world => world.Program.Passed ? "right" : "WRONG");
        if (worlds.Any(world => world.Program.BytesInFile is not null))
        {
            row("  counters found again in the file", world => Text($"{world.Program.BytesInFile ?? 0:N0}"));
        }
    }

    public static IEnumerable<string> Notes(IReadOnlyList<WorldReport> worlds)
    {
        var first = worlds[0].Program;
        if (first.Why.Length > 0)
        {
            yield return $"  {(first.Processor.Length > 0 ? "On the software processor" : "No program was run")}: {first.Why}.";
        }

        if (first.Walks == "shadow")
        {
            yield return "  The CPU walks a shadow that the hypervisor derives from these tables, not the tables themselves.";
        }

        foreach (var world in worlds)
        {
            if (world.Program.FirstWrong is { } wrong)
            {
                yield return $"! {world.Share}: {wrong}";
            }
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
