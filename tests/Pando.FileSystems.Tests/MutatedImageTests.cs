using Pando.FileSystems.Nodes;
using Pando.FileSystems.Volumes;
using Pando.Tests.Shared;

namespace Pando.FileSystems.Tests;

/// <summary>Whatever an image holds, reading it ends in a value or in a refusal, in bounded memory and work.</summary>
public sealed class MutatedImageTests(ITestOutputHelper output)
{
    private const long MostAllocated = 100L << 20;
    private const long MostRead = 256L << 20;
    private const int NodesRead = 120;
    private const int MetadataChecksums = 0x400;

    [Theory]
    [InlineData("xfs", false)]
    [InlineData("ext4", true)]
    [InlineData("ext4", false)]
    [InlineData("ext2", false)]
    public void A_mutated_image_ends_in_values_or_refusals(string name, bool withoutChecksums)
    {
        var image = SmallImage.Bytes(name);
        if (withoutChecksums)
        {
            // The feature's bit in the superblock: nothing is checked by sums then, and what they would hide is seen.
            image[1024 + 100 + 1] &= unchecked((byte)~(MetadataChecksums >> 8));
        }

        var clean = new RecordingImage(image);
        Assert.Empty(Read(clean));
        var refusals = new SortedDictionary<FileSystemRefusal, int>();
        int unharmed = 0;
        Fuzz.ForEach(
            random =>
            {
                using var mutation = new ImageMutation(image, clean.Reads, random);
                var mutated = new RecordingImage(image, mutation.Length);
                long before = GC.GetAllocatedBytesForCurrentThread();
                var seen = Read(mutated);
                long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                Assert.True(allocated < MostAllocated, $"{allocated} bytes were allocated");
                Assert.True(mutated.BytesRead < MostRead, $"{mutated.BytesRead} bytes were read");
                unharmed += seen.Count == 0 ? 1 : 0;
                foreach (var refusal in seen)
                {
                    refusals[refusal] = refusals.GetValueOrDefault(refusal) + 1;
                }
            },
            part: 2);
        output.WriteLine($"{name}: {unharmed} unharmed; {string.Join(", ", refusals.Select(r => $"{r.Key} {r.Value}"))}");
        Assert.True(unharmed > 0);
        Assert.True(refusals.ContainsKey(FileSystemRefusal.Damaged) && refusals.ContainsKey(FileSystemRefusal.ImageTooShort));
        Assert.Equal(Read(new RecordingImage(image)), Read(clean)); // taken back
    }

    /// <summary>Reads all that there is, and returns the reasons of what was refused.</summary>
    private static HashSet<FileSystemRefusal> Read(RecordingImage image)
    {
        var refusals = new HashSet<FileSystemRefusal>();
        try
        {
            using var system = FileSystemImage.Open(image);
            Assert.InRange(system.Length, 1, image.Length);
            Try(() => system.Find("/a/link"));
            Try(() => system.Find("/loop1/x"));
            int nodes = 0;
            foreach (var found in system.Walk(system.Root))
            {
                if (found.Damage is { } damage)
                {
                    refusals.Add(damage.Reason);
                }

                if (found.Node is { } node && nodes++ < NodesRead)
                {
                    Try(() => ReadNode(image, node));
                }
            }
        }
        catch (FileSystemException e)
        {
            refusals.Add(e.Reason);
        }

        refusals.Remove(FileSystemRefusal.TooManyLinks); // of the loop that is there
        return refusals;

        void Try(Action action)
        {
            try
            {
                action();
            }
            catch (FileSystemException e)
            {
                refusals.Add(e.Reason);
            }
        }
    }

    private static void ReadNode(RecordingImage image, FileNode node)
    {
        if (node.Status.Kind == FileKind.Link)
        {
            Assert.InRange(node.ReadLink().Length, 1, 4095);
            return;
        }

        long end = 0;
        foreach (var extent in node.Extents)
        {
            Assert.True(extent.Length > 0 && extent.FileOffset >= end && extent.DeviceOffset > 0 && extent.DeviceEnd <= image.Length, $"{extent} after {end}");
            end = extent.FileEnd;
        }

        if (node.Status.Kind == FileKind.File)
        {
            var buffer = new byte[5000];
            foreach (long at in (long[])[0, 4090, node.Status.Size / 2, Math.Max(0, node.Status.Size - 10), long.MaxValue - 1])
            {
                Assert.Equal(Math.Clamp(node.Status.Size - at, 0, buffer.Length), node.Read(at, buffer));
            }
        }
    }
}
