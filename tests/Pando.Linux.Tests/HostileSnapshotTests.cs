using System.Globalization;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Pando.Linux.Analysis;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Tests.Shared;

namespace Pando.Linux.Tests;

/// <summary>Snapshots of strangers: whatever is in one, it is refused by a line, or it is a machine that the analysis can take.</summary>
public class HostileSnapshotTests
{
    private const string Name = "stranger.snapshot";
    private static readonly SnapshotLimits Limits = new(1 << 20, 64 << 20);
    private static readonly string Json = JsonSerializer.Serialize(RichMachine.Create(), SnapshotJsonContext.Default.MachineSnapshot);

    private static MemoryStream Pack(ReadOnlySpan<byte> json)
    {
        using var body = new MemoryStream();
        using (var gzip = new GZipStream(body, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(json);
        }

        return WithHeader(body.GetBuffer().AsSpan(0, (int)body.Length));
    }

    private static MemoryStream WithHeader(ReadOnlySpan<byte> body)
    {
        var file = new MemoryStream();
        file.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"pando-scan-snapshot 1 {body.Length} {Crc32.HashToUInt32(body):x8}\n")));
        file.Write(body);
        file.Position = 0;
        return file;
    }

    /// <summary>The snapshot, or null if it was refused; any other error is the test's.</summary>
    private static MachineSnapshot? Load(Stream file, SnapshotLimits? limits = null)
    {
        try
        {
            return SnapshotFile.Load(file, Name, limits ?? Limits);
        }
        catch (SnapshotException e)
        {
            Assert.StartsWith(Name, e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
            Assert.True(e.Message.Length < 600, e.Message);
            return null;
        }
    }

    private static void Analyse(MachineSnapshot snapshot, Random random)
    {
        var some = snapshot.Processes.Count > 0 ? snapshot.Processes[random.Next(snapshot.Processes.Count)] : null;
        try
        {
            var report = ScanAnalysis.Analyse(snapshot, new ReportOptions
            {
                At = random.Next(4) == 0 ? int.MaxValue : null,
                Pid = random.Next(8) == 0 ? some?.Pid : null,
                Cgroup = random.Next(8) == 0 ? some?.Cgroup : null,
            });
            Assert.NotEmpty(ReportJson.Write(report));
            if (random.Next(8) == 0)
            {
                Assert.True(PrintableTests.IsVisible(HtmlReport.Render(report).Replace("\n", "", StringComparison.Ordinal)));
            }
        }
        catch (ReportException)
        {
            // The process or the cgroup asked for has no maps, or is not there.
        }
    }

    [Fact]
    public void The_machine_that_is_mutated_has_something_of_everything()
    {
        var snapshot = Load(Pack(Encoding.UTF8.GetBytes(Json)))!;
        var report = ScanAnalysis.Analyse(snapshot, new ReportOptions { At = 100 });

        Assert.Null(SnapshotCheck.FaultOf(snapshot));
        Assert.Equal(Json, JsonSerializer.Serialize(snapshot, SnapshotJsonContext.Default.MachineSnapshot));
        Assert.Equal(Enum.GetValues<ObjectKind>().Order(), snapshot.Objects.Select(o => o.Kind).Distinct().Order());
        Assert.Equal(Enum.GetValues<ServiceKind>().Where(k => k != ServiceKind.Other).Order(), snapshot.Processes.Select(p => ServiceFinder.KindOf(p.Name, p.Service?.Executable ?? "")).Where(k => k != ServiceKind.Other).Distinct().Order());
        Assert.True(report.Advice.Count >= 5, string.Join(", ", report.Advice.Select(a => a.Title)));
        Assert.NotNull(report.Objects.Single(o => o.Number == 5).Dax);
        Assert.NotEmpty(report.Objects.Single(o => o.Number == 6).Sharing!.Outsiders);
        Assert.NotEmpty(report.VirtualMachines);
    }

    [Fact]
    public void Ten_thousand_mutated_trees_are_refused_or_analysed()
    {
        var (analysed, refused) = (0, 0);
        Fuzz.ForEach(random =>
        {
            var tree = JsonNode.Parse(Json)!;
            Mutation.Of(tree, random);
            if (Load(Pack(JsonSerializer.SerializeToUtf8Bytes(tree))) is { } snapshot)
            {
                analysed++;
                Analyse(snapshot, random);
            }
            else
            {
                refused++;
            }
        });

        Assert.True(analysed > Fuzz.Runs / 10 && refused > Fuzz.Runs / 10, $"{analysed} analysed, {refused} refused");
    }

    [Fact]
    public void Ten_thousand_mutated_texts_are_refused_or_analysed()
    {
        var text = Encoding.UTF8.GetBytes(Json);
        Fuzz.ForEach(random =>
        {
            if (Load(Pack(Mutation.Of(text, random))) is { } snapshot)
            {
                Analyse(snapshot, random);
            }
        });
    }

    [Fact]
    public void Ten_thousand_mutated_files_are_refused_or_hold_the_same()
    {
        var file = Pack(Encoding.UTF8.GetBytes(Json)).ToArray();
        var header = Array.IndexOf(file, (byte)'\n') + 1;
        Fuzz.ForEach(random =>
        {
            // The first line by itself; the compressed bytes by themselves, with a line that fits them; or both.
            byte[] changed = random.Next(3) switch
            {
                0 => [.. Mutation.Of(file[..header], random), .. file[header..]],
                1 => WithHeader(Mutation.Of(file[header..], random)).ToArray(),
                _ => Mutation.Of(file, random),
            };
            if (Load(new MemoryStream(changed)) is { } snapshot)
            {
                Analyse(snapshot, random);
            }
        });
    }

    [Fact]
    public void A_snapshot_larger_than_is_read_is_refused_by_its_first_line()
    {
        using var file = new MemoryStream(Encoding.ASCII.GetBytes("pando-scan-snapshot 1 1073741824 00000000\nabc"));
        var error = Assert.Throws<SnapshotException>(() => SnapshotFile.Load(file, Name, SnapshotLimits.Here));
        Assert.Contains("too large: 1073741824 bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_says_more_than_it_has_takes_no_memory()
    {
        using var file = new MemoryStream(Encoding.ASCII.GetBytes("pando-scan-snapshot 1 400000000 00000000\nabc"));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("3 of 400000000 bytes", Assert.Throws<SnapshotException>(() => SnapshotFile.Load(file, Name, SnapshotLimits.Here)).Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
    }

    [Theory]
    [InlineData("{\"cgroups\":[", "{},", "too large")]
    [InlineData("{\"notes\":[", "\"\",", "too large")]
    [InlineData("{\"probes\":[{\"present\":[", "1,", "too large")]
    [InlineData("{\"notes\":[\"", "aaaaaaaa", "longer than")]
    [InlineData("{\"machine\":{\"config\":{", "\"a\":\"b\",", "too large")]
    [InlineData("{\"x\":", "[", "cannot be understood")]
    [InlineData("{\"x\":", "        ", "too large")]
    [InlineData("[", "1", "cannot be understood")]
    public void A_gigabyte_in_few_bytes_is_refused_without_being_held(string start, string piece, string reason)
    {
        using var body = new MemoryStream();
        using (var gzip = new GZipStream(body, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(Encoding.UTF8.GetBytes(start));
            var pieces = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(piece, (1 << 20) / piece.Length)));
            for (var written = 0L; written < 1L << 30; written += pieces.Length)
            {
                gzip.Write(pieces);
            }
        }

        using var file = WithHeader(body.GetBuffer().AsSpan(0, (int)body.Length));
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<SnapshotException>(() => SnapshotFile.Load(file, Name, new SnapshotLimits(64 << 20, 64 << 20)));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        var taken = GC.GetAllocatedBytesForCurrentThread() - before;
        TestContext.Current.TestOutputHelper!.WriteLine($"took {taken} of {(4 * body.Length) + (16 << 20)}");
        Assert.InRange(taken, 0, (4 * body.Length) + (16 << 20));
    }

    [Fact]
    public void What_a_snapshot_weighs_is_more_than_it_takes()
    {
        var file = Pack(Encoding.UTF8.GetBytes(Json));
        var weight = SnapshotWeight.Of(new MemoryStream(Encoding.UTF8.GetBytes(Json)), long.MaxValue);
        Assert.NotNull(Load(file, new SnapshotLimits(file.Length, weight)));
        file.Position = 0;
        Assert.Null(Load(file, new SnapshotLimits(file.Length, weight - 1)));

        // From bytes, since text is first brought into a buffer of a pool, which is there or made anew as chance has it.
        var text = Encoding.UTF8.GetBytes(Json);
        _ = JsonSerializer.Deserialize(text, SnapshotJsonContext.Default.MachineSnapshot); // what is made once
        var before = GC.GetAllocatedBytesForCurrentThread();
        var snapshot = JsonSerializer.Deserialize(text, SnapshotJsonContext.Default.MachineSnapshot);
        var taken = GC.GetAllocatedBytesForCurrentThread() - before;
        GC.KeepAlive(snapshot);
        TestContext.Current.TestOutputHelper!.WriteLine($"weighs {weight}, takes {taken}");
        Assert.InRange(taken, 1, weight);
    }
}
