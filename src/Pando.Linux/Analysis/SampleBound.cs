using System.Runtime.InteropServices;
using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>
/// Bounds what processes that were not read to the page can have, by those of their classes that were drawn at random and read.
/// </summary>
/// <remarks>
/// Of each class a part of the sample makes a prediction (a line by VmPTE), and the rest tests it: what it misses there is a random draw from what it
/// misses in all others, which <see cref="MeanBound"/> bounds whatever their distribution. No table is missed twice: a process has no more than
/// its VmPTE, nor more than it maps. In the same way pieces of an object that a tested process has, and the others that were read have not, are a random draw
/// from what each unread process can add to the object's pieces. The classes share the doubt in proportion to their tables.
/// </remarks>
internal sealed class SampleBound
{
    /// <summary>With this probability an object's figures are within the bound stated, and so are the machine's.</summary>
    public const double Confidence = 0.95;

    /// <summary>How often a scan may look at the bound and then read more: each look has its share of the doubt.</summary>
    public const int Looks = 2;

    private const int Variables = 3; // own, shareable, all
    private const int Statements = (4 * Variables) + 1;

    // One in so many of a sample makes the prediction: of the first more, since a line needs some points, and no more than that of a larger one.
    private const int FirstPart = 4;
    private const int LaterPart = 16;
    private const int First = 32;

    private readonly IReadOnlyList<ObjectFacts> _objects;
    private readonly Dictionary<int, UnreadTables> _byObject = [];
    private readonly Dictionary<int, PieceSets> _base = [];
    private readonly List<(ProcessClass Class, double Split, double New, IReadOnlyDictionary<int, double> NewByObject)> _widths = [];
    private readonly IReadOnlyList<(ProcessClass Class, IReadOnlyDictionary<int, ProcessTables> Read)> _classes;

    /// <summary>Bounds the unread processes of some classes.</summary>
    public SampleBound(IReadOnlyList<(ProcessClass Class, IReadOnlyDictionary<int, ProcessTables> Read)> classes, IReadOnlyList<ObjectFacts> objects)
    {
        (_objects, _classes) = (objects, classes);
        var partial = classes.Where(c => c.Read.Count < c.Class.Members.Count).ToList();
        if (partial.Count == 0)
        {
            return;
        }

        FindBase(classes, partial);
        var tables = partial.Sum(c => (double)c.Class.TableBytes + 1);
        foreach (var (group, read) in partial)
        {
            var doubt = Math.Log(Looks * Statements / (1 - Confidence)) + Math.Log(tables / (group.TableBytes + 1));
            Add(group, read, doubt);
        }
    }

    /// <summary>All objects together.</summary>
    public UnreadTables Sum { get; private set; }

    /// <summary>Classes that were not read whole, and by about how many tables what is said of them can be wrong. An object has no more new pieces than somebody maps and
    /// nobody who was read has.</summary>
    public IReadOnlyList<(ProcessClass Class, double Width)> FindWidths()
    {
        var wanted = _widths.SelectMany(w => w.NewByObject.Where(n => n.Value > 0).Select(n => n.Key)).ToHashSet();
        var mapped = _classes.SelectMany(c => c.Class.Members).SelectMany(p => p.Mappings!).Where(m => wanted.Contains(m.ObjectNumber) && IsShareable(m))
            .Select(m => (m.ObjectNumber, First: m.Offset, End: m.Offset + (long)m.Length)).Distinct().ToLookup(m => m.ObjectNumber, m => (m.First, m.End));
        var more = wanted.ToDictionary(number => number, number => Enumerable.Range(1, TableAttribution.Levels).Sum(level =>
        {
            var shift = TableCensus.ShiftOf(level);
            var pieces = RankedIntervals.Of(mapped[number].Select(m => (m.First >> shift, ((m.End - 1) >> shift) + 1)));
            return Math.Max(0.0, pieces.Count - (_base.GetValueOrDefault(number)?.Levels[level].Count ?? 0));
        }));
        return [.. _widths.Select(w => (w.Class, w.Split + Math.Min(w.New, w.NewByObject.Sum(n => n.Value > 0 ? Math.Min(n.Value, more[n.Key]) : 0))))];
    }

    /// <summary>One object.</summary>
    public UnreadTables Of(int number) => _byObject.GetValueOrDefault(number);

    /// <summary>The doubt of one statement about a class that has nearly all tables, for planning.</summary>
    public static double LeastDoubt => Math.Log(Looks * Statements / (1 - Confidence));

    /// <summary>How many of a sample must be read so that so many test.</summary>
    public static double SampleFor(double testers)
    {
        const double OfFirst = First * (FirstPart - 1.0) / FirstPart;
        return testers <= OfFirst ? testers * FirstPart / (FirstPart - 1) : First + ((testers - OfFirst) * LaterPart / (LaterPart - 1));
    }

    /// <summary>True for kinds whose tables nobody else could use.</summary>
    public static bool IsAlwaysNeeded(ObjectFacts facts) => facts.Kind is ObjectKind.Anonymous or ObjectKind.Special;

    /// <summary>True for a mapping whose tables others could use: no copies are made in it.</summary>
    public static bool IsShareable(in MappingFacts mapping) => mapping.IsShared || (mapping.Rights & MappingRights.Write) == 0;

    private static bool IsTester(ProcessFacts process) => process.SampleRank is { } rank && rank % (rank < First ? FirstPart : LaterPart) != 0;

    private static Role RoleOf(ProcessFacts facts, ProcessTables? process) => (process, facts) switch
    {
        (not null, _) => IsTester(facts) ? Role.Tester : Role.Known,
        (null, { SampleRank: not null, Populated: null }) => IsTester(facts) ? Role.FailedTester : Role.Failed,
        _ => Role.Unread,
    };

    /// <summary>Pieces of the objects that processes have which test nothing.</summary>
    private void FindBase(IEnumerable<(ProcessClass Class, IReadOnlyDictionary<int, ProcessTables> Read)> classes, List<(ProcessClass Class, IReadOnlyDictionary<int, ProcessTables> Read)> partial)
    {
        var inDoubt = partial.Select(c => c.Class).ToHashSet();
        var pieces = new Dictionary<int, List<(long, long)>[]>();
        foreach (var (group, read) in classes)
        {
            foreach (var process in read.Values.Where(p => !inDoubt.Contains(group) || !IsTester(p.Facts)))
            {
                foreach (var number in process.ByObject.Objects.Where(n => !IsAlwaysNeeded(_objects[n])))
                {
                    ref var lists = ref CollectionsMarshal.GetValueRefOrAddDefault(pieces, number, out _);
                    lists ??= [.. Enumerable.Range(0, TableAttribution.Levels + 1).Select(_ => new List<(long, long)>())];
                    for (var level = 1; level < lists.Length; level++)
                    {
                        lists[level].AddRange(process.Pages!.PiecesOf(number, level));
                    }
                }
            }
        }

        foreach (var (number, lists) in pieces)
        {
            _base[number] = new PieceSets([.. lists.Select(RankedIntervals.Of)]);
        }
    }

    private void Add(ProcessClass group, IReadOnlyDictionary<int, ProcessTables> read, double doubt)
    {
        var byObject = new Dictionary<int, List<Member>>();
        var all = new List<Member>();
        var testers = 0;
        foreach (var facts in group.Members)
        {
            var process = read.GetValueOrDefault(facts.Pid);
            var role = RoleOf(facts, process);
            if (role == Role.Known && facts.SampleRank is null)
            {
                continue; // read for another reason than chance: it tells nothing of the others
            }

            testers += role is Role.Tester or Role.FailedTester ? 1 : 0;
            var tables = (double)facts.TableBytes / TableCounts.TableBytes;
            var sum = new Member(role, tables);
            var mappings = process?.ByObject ?? new MappingsByObject(facts.Mappings!);
            foreach (var number in mappings.Objects)
            {
                var member = Measure(facts, process, mappings.Of(number), number, role, tables);
                (CollectionsMarshal.GetValueRefOrAddDefault(byObject, number, out _) ??= []).Add(member);
                sum.Add(member);
            }

            sum.Limit();
            all.Add(sum);
        }

        // Those who make the prediction, or were to make it, are neither tested nor stood for.
        var population = all.Count(m => m.Role is not (Role.Known or Role.Failed));
        var news = new Dictionary<int, double>();
        foreach (var (number, members) in byObject)
        {
            if (members.Exists(m => m.IsUnread))
            {
                var ofObject = Bound(members, testers, population, doubt, out _);
                _byObject[number] = Of(number) + ofObject;
                news[number] = ofObject.MostNew;
            }
        }

        var bound = Bound(all, testers, population, doubt, out var split);
        Sum += bound;
        _widths.Add((group, split, bound.MostNew, news));
    }

    /// <summary>What one process has of one object, and the most that it can have.</summary>
    private Member Measure(ProcessFacts facts, ProcessTables? process, ArraySegment<int> mappings, int number, Role role, double tables)
    {
        var member = new Member(role, tables);
        var isOwn = IsAlwaysNeeded(_objects[number]);
        foreach (var i in mappings)
        {
            var mapping = facts.Mappings![i];
            var isShareable = !isOwn && IsShareable(mapping);
            double spans = 0, pieces = 0;
            for (var level = 1; level <= TableAttribution.Levels; level++)
            {
                var shift = TableCensus.ShiftOf(level);
                spans += ((mapping.End - 1) >> shift) - (mapping.Start >> shift) + 1;
                pieces += ((mapping.Offset + (long)mapping.Length - 1) >> shift) - (mapping.Offset >> shift) + 1;
            }

            member.MostOwn += isShareable ? 0 : spans;
            member.MostShareable += isShareable ? spans : 0;
            member.MostAll += spans;
            member.MostNew += isShareable ? pieces : 0;
            member.Mappings++;
        }

        member.Limit();
        if (process is not null && process.Objects.TryGetValue(number, out var known))
        {
            member.All = known.LiveTotal + known.Empty;
            member.Own = isOwn ? known.LiveTotal : known.Own.Sum();
            member.Shareable = known.LiveTotal - member.Own;

            // A table at a border is charged to one of its objects, who may have none of the mappings that stand for it here.
            member.MostOwn = Math.Max(member.MostOwn, member.Own);
            member.MostShareable = Math.Max(member.MostShareable, member.Shareable);
            member.MostAll = Math.Max(member.MostAll, member.All);
            member.New = role == Role.Tester && !isOwn ? NewPieces(process, number) : 0;
            member.MostNew = Math.Max(member.MostNew, member.New);
        }

        return member;
    }

    private double NewPieces(ProcessTables process, int number)
    {
        var known = _base.GetValueOrDefault(number);
        long pieces = 0;
        for (var level = 1; level <= TableAttribution.Levels; level++)
        {
            var own = RankedIntervals.Of(process.Pages!.PiecesOf(number, level));
            pieces += own.Count - (known is null ? 0 : own.Intervals.Sum(i => known.Levels[level].CountIn(i.First, i.End)));
        }

        return pieces;
    }

    /// <summary>Members that do not map the object are left out: they have nothing of it, and count in the sizes alone. <paramref name="width"/> is how far from the
    /// prediction the truth may be.</summary>
    private static UnreadTables Bound(List<Member> members, int testers, int population, double doubt, out double width)
    {
        var own = Range(members, testers, population, doubt, m => m.Own, m => m.MostOwn, out var ownWidth);
        var shareable = Range(members, testers, population, doubt, m => m.Shareable, m => m.MostShareable, out var shareableWidth);
        var all = Range(members, testers, population, doubt, m => m.All, m => m.MostAll, out _);
        width = Math.Max(ownWidth, shareableWidth);
        var drawn = members.Where(m => m.Role != Role.Failed).ToList();
        var most = drawn.Select(m => m.MostNew).DefaultIfEmpty().Max();
        var unread = members.Where(m => m.IsUnread).Sum(m => m.MostNew);
        var seen = drawn.Where(m => m.Role == Role.Tester).Sum(m => m.New);
        var found = seen + drawn.Where(m => m.Role == Role.FailedTester).Sum(m => m.MostNew);
        var added = testers == 0 || most <= 0 ? unread
            : Math.Min(unread, (most * MeanBound.UpperSum(found / most, testers, population, doubt)) - seen + members.Where(m => m.Role == Role.Failed).Sum(m => m.MostNew));
        return new UnreadTables(own, shareable, all, Math.Max(0, added));
    }

    private static TableRange Range(List<Member> members, int testers, int population, double doubt, Func<Member, double> has, Func<Member, double> most, out double width)
    {
        var line = Line.Through([.. members.Where(m => m.Role == Role.Known).Select(m => (m.Tables, has(m)))]);
        double predicted = 0, room = 0;
        Misses over = default, under = default;
        foreach (var member in members.Where(m => m.Role != Role.Known))
        {
            var guess = Math.Clamp(line.At(member.Tables), 0, most(member));
            over = over.With(member.Role, Math.Max(0, has(member) - guess), most(member) - guess);
            under = under.With(member.Role, Math.Max(0, guess - has(member)), guess);
            predicted += member.IsUnread ? guess : 0;
            room += member.IsUnread ? most(member) - guess : 0;
        }

        if (testers == 0)
        {
            width = Math.Max(predicted, room);
            return new TableRange(0, predicted + room);
        }

        var (above, below) = (over.OfUnread(testers, population, doubt), under.OfUnread(testers, population, doubt));
        var range = new TableRange(Math.Clamp(predicted + above.Low - below.High, 0, predicted + room), Math.Clamp(predicted + above.High - below.Low, 0, predicted + room));
        width = range.From(predicted);
        return range;
    }

    /// <summary>By how much processes miss the prediction, to one side.</summary>
    /// <param name="Seen">Those that test it, in sum.</param>
    /// <param name="Unknown">The most by which those can that should have tested it and could not be read.</param>
    /// <param name="Outside">The most by which those can that were to make the prediction and could not be read.</param>
    /// <param name="Largest">The most by which one can.</param>
    private readonly record struct Misses(double Seen, double Unknown, double Outside, double Largest)
    {
        public Misses With(Role role, double miss, double most) => role switch
        {
            Role.Failed => this with { Outside = Outside + most },
            Role.FailedTester => this with { Unknown = Unknown + most, Largest = Math.Max(Largest, most) },
            Role.Tester => this with { Seen = Seen + miss, Largest = Math.Max(Largest, Math.Max(most, miss)) },
            _ => this with { Largest = Math.Max(Largest, most) },
        };

        /// <summary>What those that were not read miss in sum.</summary>
        public TableRange OfUnread(int testers, int population, double doubt) => Largest <= 0 ? new TableRange(0, Outside)
            : new TableRange(
                Math.Max(0, (Largest * MeanBound.LowerSum(Seen / Largest, testers, population, doubt)) - Seen),
                Math.Max(0, (Largest * MeanBound.UpperSum((Seen + Unknown) / Largest, testers, population, doubt)) - Seen) + Outside);
    }

    private enum Role
    {
        /// <summary>Not read to the page.</summary>
        Unread,

        /// <summary>Drawn and read, and makes the prediction.</summary>
        Known,

        /// <summary>Drawn and read, and tests the prediction.</summary>
        Tester,

        /// <summary>Drawn, to make the prediction, and could not be read.</summary>
        Failed,

        /// <summary>Drawn, to test the prediction, and could not be read.</summary>
        FailedTester,
    }

    private sealed record PieceSets(RankedIntervals[] Levels);

    /// <summary>A process, with what it has of an object or of all, in tables, and the most that it can have.</summary>
    private sealed class Member(Role role, double tables)
    {
        public Role Role { get; } = role;

        public bool IsUnread => Role is not (Role.Known or Role.Tester);

        public double Tables { get; } = tables;

        public double Own { get; set; }

        public double Shareable { get; set; }

        public double All { get; set; }

        public double New { get; set; }

        public double MostOwn { get; set; }

        public double MostShareable { get; set; }

        public double MostAll { get; set; }

        public double MostNew { get; set; }

        public int Mappings { get; set; }

        public void Add(Member other)
        {
            (Own, Shareable, All, New) = (Own + other.Own, Shareable + other.Shareable, All + other.All, New + other.New);
            (MostOwn, MostShareable, MostAll, MostNew) = (MostOwn + other.MostOwn, MostShareable + other.MostShareable, MostAll + other.MostAll, MostNew + other.MostNew);
            Mappings += other.Mappings;
        }

        /// <summary>No more than VmPTE; and a table shows pieces of no more than two windows for each mapping in it.</summary>
        public void Limit()
        {
            MostOwn = Math.Max(Own, Math.Min(MostOwn, Tables));
            MostShareable = Math.Max(Shareable, Math.Min(MostShareable, Tables));
            MostAll = Math.Max(All, Math.Min(MostAll, Tables));
            MostNew = Math.Max(New, Math.Min(MostNew, 2 * (Tables + (TableAttribution.Levels * (double)Mappings))));
        }
    }

    /// <summary>A straight line by least squares; level where the points do not tell a slope.</summary>
    private readonly record struct Line(double Start, double Slope)
    {
        private const int FewestForSlope = 4;

        public static Line Through(IReadOnlyList<(double X, double Y)> points)
        {
            if (points.Count == 0)
            {
                return default;
            }

            var (x, y) = (points.Average(p => p.X), points.Average(p => p.Y));
            var spread = points.Sum(p => (p.X - x) * (p.X - x));
            var slope = points.Count < FewestForSlope || spread < 1e-9 ? 0 : points.Sum(p => (p.X - x) * (p.Y - y)) / spread;
            return new Line(y - (slope * x), slope);
        }

        public double At(double x) => Start + (Slope * x);
    }
}
