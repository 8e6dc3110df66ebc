using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// Which processes to read to the page: of each class some at random. How many, so that the bound (<see cref="SampleBound"/>) is as narrow as wanted even
/// before it is known how alike they are: with n testers that all agree a class's tables are in doubt by one part in n / doubt. The sum over classes
/// is least for the number of processes where n goes with the square root of a class's tables.
/// </summary>
internal sealed class SamplePlan
{
    /// <summary>The part of all page tables that the bound comes to if like processes are alike.</summary>
    public const double WantedWidth = 0.08;

    /// <summary>The part beyond which more is read, as far as time allows.</summary>
    public const double MostWidth = 0.15;

    private readonly List<Share> _shares = [];
    private readonly long _tableBytes;

    /// <summary>Plans for processes whose maps are known. Those in <paramref name="taken"/> are read anyway.</summary>
    public SamplePlan(IEnumerable<ProcessFacts> processes, IReadOnlySet<int> taken, Random random)
    {
        foreach (var group in ProcessClass.Group(processes))
        {
            var members = group.Members.Where(m => !taken.Contains(m.Pid)).ToArray();
            random.Shuffle(members);
            _shares.Add(new Share(group, members));
            _tableBytes += group.TableBytes;
        }

        var sampled = _shares.Where(s => s.Least < s.Members.Length).ToList();
        var roots = sampled.Sum(s => Math.Sqrt(s.Tables));
        foreach (var share in _shares)
        {
            var testers = Math.Sqrt(share.Tables) * roots * SampleBound.LeastDoubt / (WantedWidth * Math.Max(1, _tableBytes));
            share.Wanted = (int)Math.Clamp(SampleBound.SampleFor(testers), share.Least, share.Members.Length);
        }
    }

    /// <summary>The first of each class, then the least sample, the largest classes first.</summary>
    public IReadOnlyList<(int Pid, int Rank)> First() =>
        [.. _shares.Select(s => s.Take(1)).Concat(_shares.Select(s => s.Take(s.Least))).SelectMany(s => s)];

    /// <summary>What is wanted beyond it, that first which narrows the bound most; with <paramref name="all"/> all others, for as long as there is time.</summary>
    public IReadOnlyList<(int Pid, int Rank)> More(bool all = false) =>
        [.. _shares.SelectMany(s => s.Take(all ? s.Members.Length : s.Wanted).Select(m => (Member: m, Gain: s.Tables / ((m.Rank + 1.0) * (m.Rank + 1)))).ToList()).OrderByDescending(m => m.Gain).Select(m => m.Member)];

    /// <summary>True if not all are to be read.</summary>
    public bool IsPartial => _shares.Exists(s => s.Taken < s.Members.Length);

    /// <summary>Where the bound is wider than wanted: as many again of the classes that make it so.</summary>
    public IReadOnlyList<(int Pid, int Rank)> Again(SampleBound bound)
    {
        var widths = bound.FindWidths().ToDictionary(w => w.Class.Members[0].Pid, w => w.Width * TableCounts.TableBytes);
        var total = widths.Values.Sum();
        var again = new List<(int Pid, int Rank)>();
        foreach (var share in _shares.OrderByDescending(s => widths.GetValueOrDefault(s.FirstPid)))
        {
            var width = widths.GetValueOrDefault(share.FirstPid);
            if (total <= MostWidth * _tableBytes || width <= 0)
            {
                break;
            }

            // Twice as many make it half as wide, or somewhat less.
            again.AddRange(share.Take(Math.Max(share.Taken * 2, share.Least)));
            total -= width / 2;
        }

        return again;
    }

    /// <summary>One class's random order.</summary>
    private sealed class Share(ProcessClass group, ProcessFacts[] members)
    {
        public ProcessFacts[] Members { get; } = members;

        public int FirstPid { get; } = group.Members[0].Pid;

        public double Tables { get; } = members.Sum(m => (double)m.TableBytes);

        public int Least { get; } = ProcessClass.LeastSample(members.Length);

        public int Wanted { get; set; }

        public int Taken { get; private set; }

        /// <summary>Those in the order that were not taken before, up to so many.</summary>
        public List<(int Pid, int Rank)> Take(int count)
        {
            var taken = new List<(int, int)>();
            for (; Taken < Math.Min(count, Members.Length); Taken++)
            {
                taken.Add((Members[Taken].Pid, Taken));
            }

            return taken;
        }
    }
}
