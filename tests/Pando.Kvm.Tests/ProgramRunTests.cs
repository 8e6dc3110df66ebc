using Pando.Cli.Run;
using Pando.Hardware;
using Pando.Kvm.Guests;

namespace Pando.Kvm.Tests;

/// <summary>`pando run`: the program that runs in every process.</summary>
public class ProgramRunTests
{
    [Theory]
    [InlineData("kvm", "1GiB")]
    [InlineData("kvm", "none")]
    [InlineData("software", "1GiB")]
    public void Every_process_reads_and_writes_every_page_and_the_bytes_are_in_the_file(string processor, string share)
    {
        if (processor == "kvm")
        {
            Requires.Kvm();
        }

        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            var report = RunWork.Run(
                new RunInput { Memory = "1GiB", Processes = "40", Share = [share], Pmem = path, Threads = "2", Processor = processor }.Validate(4L << 30),
                new LineProgress(TextWriter.Null), CancellationToken.None);
            var program = report.Worlds[0].Program;
            Assert.Equal((processor, 40, 512, 2L * 40 * 512, 512, 0), (program.Processor, program.Spaces, program.PagesPerSpace, program.Accesses, program.BytesInFile, program.Wrong));
            Assert.True(report.Passed);

            // As any other program would read it: the last page's counter.
            using var file = File.OpenRead(path);
            file.Position = (511L << 21) + 8;
            Span<byte> bytes = stackalloc byte[8];
            file.ReadExactly(bytes);
            Assert.Equal(40, BitConverter.ToInt64(bytes));
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>By real processors where they know such leaves; where they do not, KVM is refused, and software runs the program.</summary>
    [Fact]
    public void With_pages_of_1_GiB_a_file_takes_one_table_for_512_of_them()
    {
        Requires.Kvm();
        var progress = new LineProgress(TextWriter.Null);
        var input = new RunInput { Memory = "4GiB", Processes = "3", Share = ["512GiB"], Page = "1GiB", Threads = "2" };
        var world = RunWork.Run(input.Validate(4L << 30), progress, CancellationToken.None).Worlds[0];
        Assert.True(world.Program is { Wrong: 0, Spaces: 3 });
        Assert.Equal(4096, world.Levels.Sum(level => level.File));
        if (world.Program.Processor != "kvm")
        {
            var refused = Assert.Throws<InputException>(() => RunWork.Run((input with { Processor = "kvm" }).Validate(4L << 30), progress, CancellationToken.None));
            Assert.Contains("1 GiB", refused.Message, StringComparison.Ordinal);
            Assert.Skip($"{refused.Message}; that it is refused, and that software runs the program, was tested");
        }
    }

    [Fact]
    public void What_cannot_use_KVM_says_why_in_one_line_and_runs_in_software_unless_KVM_was_asked_for()
    {
        var availability = KvmAvailability.Check(levels: 5);
        Assert.SkipWhen(availability.IsUsable, "this host has KVM with 5 levels: there is nothing that it cannot do");
        Assert.Equal(new ProcessorChoice(false, false, availability.Reason), ProcessorChoice.Choose("auto", X64Format.FiveLevels));
        Assert.DoesNotContain('\n', availability.Reason);
        Assert.Equal(new ProcessorChoice(false, false, ""), ProcessorChoice.Choose("software", X64Format.FiveLevels));
        Assert.Contains(availability.Reason, Assert.Throws<InputException>(() => ProcessorChoice.Choose("kvm", X64Format.FiveLevels)).Message, StringComparison.Ordinal);
        Assert.Contains("use kvm, software or auto", Assert.Throws<InputException>(() => ProcessorChoice.Choose("gpu", X64Format.FiveLevels)).Message, StringComparison.Ordinal);
    }
}
