using System.Runtime.Versioning;
using Pando.Exec.Running;

namespace Pando.Exec.Tests;

/// <summary>What cannot be run, and what is called off.</summary>
[SupportedOSPlatform("linux")]
public class RunnerTests
{
    [Theory]
    [InlineData("/nowhere/program", 127)]
    [InlineData("a-name-that-no-program-has", 127)]
    [InlineData("/etc", 126)]
    [InlineData("/etc/passwd", 126)]
    public void What_cannot_be_executed_has_the_status_that_env_has_for_it(string program, int status)
    {
        Requires.Kvm();
        var refused = Assert.Throws<ExecException>(() => ProgramRunner.Run(new ExecOptions { Command = [program], Ram = 64L << 20 }));
        Assert.Equal(status, refused.Status);
        Assert.Contains(program, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_program_is_refused()
    {
        Requires.Kvm();
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "no program");
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            Assert.Equal(126, Assert.Throws<ExecException>(() => ProgramRunner.Run(new ExecOptions { Command = [path], Ram = 64L << 20 })).Status);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void What_is_called_off_is_killed_and_all_that_it_started()
    {
        Requires.Kvm();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(0.3));
        var result = ProgramRunner.Run(new ExecOptions
        {
            Command = [Requires.Program("sh"), "-c", "sleep 1000 & sleep 1000 & wait; exit 0"],
            Ram = 128L << 20,
            Cancellation = stop.Token,
        });
        Assert.Equal((137, 9), (result.Status, result.Signal));
    }

    [Fact]
    public void Ram_that_is_used_up_kills_the_program_and_says_so()
    {
        Requires.Kvm();
        var messages = new StringWriter();
        var result = ProgramRunner.Run(new ExecOptions
        {
            Command = [Requires.Program("perl"), "-e", "my $x = 'a' x 400_000_000; print length $x"],
            Ram = 64L << 20,
            Messages = messages,
        });
        Assert.Equal(137, result.Status);
        Assert.Contains("--ram", messages.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void All_that_programs_had_is_given_back_when_they_end()
    {
        Requires.Kvm();
        int frames = -1;
        _ = ProgramRunner.Run(new ExecOptions
        {
            Command = [Requires.Program("sh"), "-c", "for i in 1 2 3 4 5 6 7 8; do ls / | cat > /dev/null; done"],
            Ram = 256L << 20,
            AtEnd = machine =>
            {
                while (machine.Reclaim())
                {
                }

                frames = machine.FramesInUse;
            },
        });

        // The page of zeroes, and nothing else.
        Assert.InRange(frames, 1, 1);
    }
}
