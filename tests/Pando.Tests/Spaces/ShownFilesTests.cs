using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

public sealed class ShownFilesTests : IDisposable
{
    private readonly Machine _machine = new(new MachineOptions { Ram = 4 << 20 });

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_file_is_shown_from_its_first_area_to_its_last()
    {
        var files = Enumerable.Range(0, 200).Select(i => _machine.CreateMemoryFile($"file {i}", 4096).Tables).ToArray();
        var random = new Random(1);
        var shown = new ShownFiles();
        int[] areas = new int[files.Length];
        for (int step = 0; step < 20_000; step++)
        {
            // Many at first, few in the end, so that the table grows and becomes smaller.
            int file = random.Next(files.Length);
            if (areas[file] > 0 && random.Next(20_000) < step)
            {
                areas[file]--;
                shown.Remove(files[file]);
            }
            else if (random.Next(20_000) > step)
            {
                areas[file]++;
                shown.Add(files[file]);
            }

            Assert.Equal(areas[file] > 0, shown.Contains(files[file]));
            if (step % 500 == 0)
            {
                Assert.Equal(areas.Select(count => count > 0), files.Select(shown.Contains));
            }
        }

        shown.Clear();
        Assert.DoesNotContain(true, files.Select(shown.Contains));
    }
}
