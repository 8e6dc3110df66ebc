using System.Globalization;
using Pando.Hardware;
using Pando.Linux.Text;

namespace Pando.Cli.Run;

/// <summary>The options of `pando run` as they were given; <see cref="Validate"/> says whether they can be used.</summary>
internal sealed record RunInput
{
    /// <summary>What page tables may take by default: enough for every shared world of the thread's case.</summary>
    public const long DefaultBudget = 1L << 30;

    private const int MostProcesses = 10_000_000;
    private const int MostThreads = 256;

    public string Memory { get; init; } = "6TiB";

    public string Processes { get; init; } = "10000";

    public string Page { get; init; } = "2MiB";

    public IReadOnlyList<string> Share { get; init; } = [];

    public string Levels { get; init; } = "4";

    public string? Pmem { get; init; }

    public string? Threads { get; init; }

    public string? Budget { get; init; }

    public string Processor { get; init; } = "auto";

    /// <summary>Checks every option, and them together.</summary>
    /// <param name="available">RAM that the host has to give, in bytes.</param>
    /// <exception cref="InputException">One of them cannot be used.</exception>
    public RunOptions Validate(long available)
    {
        var format = Levels.Trim() switch
        {
            "4" => X64Format.FourLevels,
            "5" => X64Format.FiveLevels,
            _ => throw new InputException($"--levels: '{Levels}' is not how many levels x86-64 has; use 4 or 5"),
        };
        long page = ByteSize.Parse("--page", Page);
        var sizes = format.Geometry.LeafLevels.Select(format.Geometry.EntrySpan).ToList();
        if (!sizes.Contains(page))
        {
            throw new InputException($"--page: '{Page}' is no page size of this format; use {string.Join(" or ", sizes.Select(ByteSize.Exact))}");
        }

        long memory = ReadMemory(page, format);
        int processes = ReadCount("--processes", Processes, MostProcesses, "10000");
        int threads = Threads is null
            ? Math.Min(Environment.ProcessorCount, MostThreads)
            : ReadCount("--threads", Threads, MostThreads, Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture));
        var shares = Share.Count == 0
            ? [ShareLevel.HalfTiB, ShareLevel.OneGiB, ShareLevel.None]
            : Share.SelectMany(text => text.Split(',')).Select(ShareLevel.Parse).Distinct().ToList();
        var options = new RunOptions(memory, processes, page, shares, [], format, Pmem, threads, ReadBudget(available))
        {
            Processor = ProcessorChoice.Choose(Processor, format),
        };
        if (Share.Count == 0 && shares.Any(share => WorldPlan.For(options, share).Fits))
        {
            // Nobody asked for those that do not fit.
            options = options with
            {
                Shares = [.. shares.Where(share => WorldPlan.For(options, share).Fits)],
                LeftOut = [.. shares.Where(share => !WorldPlan.For(options, share).Fits)],
            };
        }

        foreach (var share in options.Shares)
        {
            WorldPlan.For(options, share).ThrowIfTooLarge(available);
        }

        if (Pmem is not null)
        {
            PmemFile.Check(Pmem, memory);
        }

        return options;
    }

    private long ReadMemory(long page, X64Format format)
    {
        long memory = ByteSize.Parse("--memory", Memory);
        if (memory == 0)
        {
            throw new InputException($"--memory: there must be something to map; use at least one page, {ByteSize.Exact(page)}");
        }

        if (memory % page != 0)
        {
            long up = memory - (memory % page) + page;
            string nearest = memory > page ? $"{ByteSize.Exact(memory - (memory % page))} or {ByteSize.Exact(up)}" : ByteSize.Exact(up);
            throw new InputException($"--memory: '{Memory}' is not a whole number of {ByteSize.Exact(page)} pages; use {nearest}{(page > format.Geometry.PageSize && memory % format.Geometry.PageSize == 0 ? ", or --page 4KiB" : "")}");
        }

        long most = World.MostMemory(format);
        if (memory > most)
        {
            string other = format.Geometry.Levels == 4 && memory <= World.MostMemory(X64Format.FiveLevels) ? ", or --levels 5" : "";
            throw new InputException($"--memory: {format.Geometry.Levels} levels of page tables can address at most {ByteSize.Exact(most)} for user code and physical memory, '{Memory}' is more; use that or less{other}");
        }

        return memory;
    }

    private long ReadBudget(long available)
    {
        if (Budget is null)
        {
            return Math.Min(DefaultBudget, available / 2);
        }

        long budget = ByteSize.Parse("--budget", Budget);
        if (budget > available)
        {
            throw new InputException($"--budget: this host has {ByteText.Precise(available)} of RAM to give, '{Budget}' is more; use less");
        }

        return budget;
    }

    private static int ReadCount(string option, string text, int most, string example)
    {
        if (!long.TryParse(text, NumberStyles.AllowThousands | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long count)
            || count < 1 || count > most)
        {
            throw new InputException(string.Create(CultureInfo.InvariantCulture, $"{option}: '{text}' is not a whole number from 1 to {most:N0}; use one, as in {example}"));
        }

        return (int)count;
    }
}
