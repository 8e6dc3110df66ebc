using System.Diagnostics;
using System.Globalization;
using Pando.FileSystems;
using Pando.FileSystems.Volumes;

namespace Pando.Benchmarks;

/// <summary>What reading an image of XFS or ext4 takes: opening it, a file's extents, a directory's names, everything that it holds.</summary>
internal static class ImageReading
{
    private const int Runs = 9;

    /// <summary>Arguments: <c>IMAGE PATH...</c>: files and directories in the image.</summary>
    public static int Run(string[] arguments)
    {
        if (arguments.Length < 2)
        {
            Console.Error.WriteLine("image-reading needs an image, and files or directories in it, as in: image-reading /tmp/image /pieces /names");
            return 2;
        }

        var (image, paths) = (arguments[0], arguments[1..]);
        Console.WriteLine($"{image}: medians of {Runs} runs, the image in the page cache, nothing kept from run to run");
        Report("open", 1, "image", static _ => 1);
        foreach (var path in paths)
        {
            using var once = FileSystemImage.Open(image);
            var node = once.Find(path);
            if (node.Status.Kind == FileKind.Directory)
            {
                Report($"names of {path}", node.List().Count(), "names", system => system.Find(path).List().Count());
            }
            else
            {
                Report($"extents of {path}", node.Extents.Count, "extents", system => system.Find(path).Extents.Count);
            }
        }

        Report("all inodes and extents", -1, "inodes", static system => system.Walk(system.Root).Count(f => f.Node is { Extents.Count: >= 0 }));
        return 0;

        void Report(string what, int expected, string unit, Func<FileSystemImage, int> read)
        {
            var times = new double[Runs];
            int count = 0;
            for (int i = 0; i < Runs; i++)
            {
                long start = Stopwatch.GetTimestamp();
                using var system = FileSystemImage.Open(image);
                count = read(system);
                times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }

            Array.Sort(times);
            var wrong = expected >= 0 && expected != count ? $"   expected {expected}" : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-32} {count,9:N0} {unit,-8} {times[Runs / 2],10:0.00} ms{wrong}"));
        }
    }
}
