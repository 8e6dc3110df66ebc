using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Census;

namespace Pando.Tests.Tables;

/// <summary>
/// The census counts tables from geometry alone; the engine builds them. Where every page is populated the two must
/// agree to the table, at every level of sharing: this is what the scanner's predictions stand on.
/// </summary>
public class CensusAgainstEngineTests
{
    private const long Mebi = 1L << 20;
    private const long Gibi = 1L << 30;
    private const ulong Arena = 0x2000_0000_0000;
    private const int Layouts = 120;

    [Theory]
    [InlineData(SharingLevels.None, 0, 4)]
    [InlineData(SharingLevels.UpTo2MiB, 1, 4)]
    [InlineData(SharingLevels.UpTo1GiB, 2, 4)]
    [InlineData(SharingLevels.UpTo512GiB, 3, 4)]
    [InlineData(SharingLevels.All, 4, 5)]
    public void Random_layouts_need_as_many_tables_of_each_level_as_the_census_says(SharingLevels sharing, int highest, int levels)
    {
        var rule = highest == 0 ? SharingRule.None : SharingRule.Pando(highest);
        for (int seed = 1; seed <= Layouts; seed++)
        {
            // Every other layout has 2 MiB pages throughout.
            bool large = seed % 2 == 0;
            using var machine = new Machine(new MachineOptions
            {
                Ram = 256 * Mebi,
                Sharing = sharing,
                LargePages = large,
                Format = levels == 4 ? X64Format.FourLevels : X64Format.FiveLevels,
            });
            var device = machine.AddPmem(16 * Gibi, PmemBacking.None);
            MappedFile[] files = [device.CreateFile("first", 4 * Gibi), device.CreateFile("second", 4 * Gibi)];
            var layout = MakeLayout(seed, large);
            foreach (var mappings in layout)
            {
                var space = machine.CreateSpace();
                foreach (var mapping in mappings)
                {
                    Build(space, mapping, files);
                }
            }

            // Tables that a space attached to before its next mapping broke the window stay warm; nobody needs them.
            machine.Reclaim();
            machine.Audit().ThrowIfUnsound();
            var counted = TableCensus.Count(layout.Select(mappings => new CensusSpace(mappings)), rule, levels);
            var built = machine.Tables();
            for (int level = Level.Pte; level <= levels; level++)
            {
                Assert.True(
                    counted.At(level) == built.At(level),
                    $"seed {seed}, {sharing}: the census counts {counted.At(level)} {Level.Name(level)} tables, the engine built {built.At(level)}");
            }
        }
    }

    private static void Build(AddressSpace space, CensusMapping mapping, MappedFile[] files)
    {
        var range = new AddressRange(new VirtualAddress(mapping.Start), new VirtualAddress(mapping.End));
        var request = new MapRequest(range.Length, Rights.ReadWrite)
        {
            File = mapping.Shareable ? files[mapping.File] : null,
            Shared = mapping.Shareable,
            Offset = mapping.Shareable ? mapping.FileOffset : 0,
            Address = range.Start,
            Placement = MapPlacement.FixedNoReplace,
        };
        Assert.True(space.Map(request).Succeeded);
        Assert.True(space.Populate(range, AccessKind.Write).IsResolved);
    }

#pragma warning disable CA5394 // A test wants a sequence that it can have again.
    private static List<List<CensusMapping>> MakeLayout(int seed, bool large)
    {
        var random = new Random(seed);
        long page = large ? 2 * Mebi : 4096;
        var spaces = new List<List<CensusMapping>>();
        for (int i = random.Next(1, 5); i > 0; i--)
        {
            if (spaces.Count > 0 && random.Next(3) == 0)
            {
                // Just like another one: everything that can be shared is.
                spaces.Add([.. spaces[random.Next(spaces.Count)]]);
                continue;
            }

            var mappings = new List<CensusMapping>();
            for (int j = random.Next(1, 6); j > 0; j--)
            {
                ulong start = Arena + (ulong)(random.Next(3) * Gibi) + (ulong)(random.Next(2) * 512 * Gibi) + (ulong)(random.Next(6) * 2 * Mebi);
                start += large ? 0 : (ulong)random.Next(3) * 4096;
                long length = random.Next(4) switch
                {
                    0 => page,
                    1 => (large ? Gibi : 2 * Mebi) + (random.Next(3) * page),
                    _ => random.Next(1, 6) * (large ? page : Mebi),
                };
                var mapping = new CensusMapping(
                    start,
                    start + (ulong)length,
                    File: random.Next(2),
                    FileOffset: random.Next(3) == 0 ? random.Next(4) * page : (long)(start & (ulong)(Gibi - 1)),
                    Shareable: large || random.Next(4) != 0,
                    LeafLevel: large ? 1 : 0);
                if (!mappings.Any(other => other.Start < mapping.End && mapping.Start < other.End))
                {
                    mappings.Add(mapping.Shareable ? mapping : mapping with { File = -1 - j });
                }
            }

            spaces.Add(mappings);
        }

        return spaces;
    }
#pragma warning restore CA5394
}
