using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Hugetlb;

/// <summary>
/// Random operations on mappings of a huge-page file, from a seed. None touches a page, which is for the comparison to do;
/// mremap is not among them (see LockstepWorld.MayHangTheKernel).
/// </summary>
#pragma warning disable CA5394 // Not for secrets: a seed must give the same run everywhere.
internal sealed class HugetlbSteps(int seed, int file)
{
    private const ulong Gibi = 1UL << 30;
    private const ulong HugePage = 2UL << 20;

    private readonly System.Random _random = new(seed);

    public Operation Next(LockstepWorld world)
    {
        int process = _random.Next(LockstepWorld.Processes);
        if (!world.Has(process))
        {
            int parent = Enumerable.Range(0, LockstepWorld.Processes).Where(world.Has).OrderBy(_ => _random.Next()).First();
            if (_random.Next(2) == 0)
            {
                return new ForkTo(parent, process);
            }

            process = parent;
        }

        var areas = world.At(process).Areas();
        if (areas.Count == 0 || (areas.Count < 3 && _random.Next(5) == 0))
        {
            return Map(process);
        }

        var area = areas[_random.Next(areas.Count)].Range;
        ulong pages = (ulong)area.Length / HugePage;
        ulong at = area.Start.Value + ((ulong)_random.NextInt64((long)pages) * HugePage);
        var (from, length) = _random.Next(4) switch
        {
            0 => (area.Start.Value, area.Length),
            1 => (Math.Max(area.Start.Value, at & ~(Gibi - 1)), (long)Gibi),
            _ => (at, (long)HugePage),
        };
        length = Math.Min(length, (long)(area.End.Value - from));
        return _random.Next(12) switch
        {
            < 3 => new ProtectAt(process, from, length, _random.Next(2) == 0 ? Rights.Read : Rights.ReadWrite),
            3 => new UnmapAt(process, from, length),
            < 6 => new AdviseAt(process, from, length, Advised[_random.Next(Advised.Length)]),
            6 when process > 0 => new ExitFrom(process),
            9 => new Resize(file, _random.Next(3) == 0 ? (long)Gibi + (4 * (long)HugePage) : 3 * (long)Gibi),
            _ => Map(process),
        };
    }

    private static readonly Advice[] Advised =
        [Advice.DontNeed, Advice.DontFork, Advice.DoFork, Advice.DontDump, Advice.DoDump, Advice.Random, Advice.Normal];

    private MapAt Map(int process)
    {
        ulong at = LockstepWorld.Arena + ((ulong)_random.Next(4) * 8 * Gibi) + (_random.Next(4) == 0 ? HugePage : 0);
        long length = _random.Next(4) switch
        {
            0 => (long)Gibi,
            1 => (long)Gibi - (64 * (long)HugePage),
            _ => 2 * (long)Gibi,
        };
        return new MapAt(
            process, file, 0, length, _random.Next(4) == 0 ? Rights.Read : Rights.ReadWrite, true, MapPlacement.Fixed, at, PopulateKind.None);
    }
}
#pragma warning restore CA5394
