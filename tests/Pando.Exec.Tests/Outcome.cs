using System.Diagnostics;
using System.Runtime.Versioning;
using Pando.Exec.Running;

namespace Pando.Exec.Tests;

/// <summary>How a program ended and what it wrote: natively, or on the engine.</summary>
/// <param name="Status">Its exit status, as a shell has it.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
[SupportedOSPlatform("linux")]
internal sealed record Outcome(int Status, string Output, string Errors)
{
    /// <summary>Both ways.</summary>
    public static (Outcome Native, Outcome Exec) OfBoth(string directory, params string[] command) =>
        (Native(directory, command), Exec(directory, command));

    /// <summary>As the host's kernel runs it.</summary>
    public static Outcome Native(string directory, params string[] command)
    {
        // By a shell, which tells of a signal as 128 and its number.
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = directory };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("env --default-signal=PIPE -- \"$@\"; exit $?");
        start.ArgumentList.Add("sh");
        foreach (string word in command)
        {
            start.ArgumentList.Add(word);
        }

        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();

        // What the shell itself says of a program that a signal ended is not the program's.
        return new Outcome(process.ExitCode, output, process.ExitCode > 128 ? "" : errors.Result);
    }

    /// <summary>On the engine.</summary>
    public static Outcome Exec(string directory, params string[] command)
    {
        string output = Path.GetTempFileName();
        string errors = Path.GetTempFileName();
        try
        {
            using var none = File.OpenHandle("/dev/null");
            using (var first = File.OpenHandle(output, FileMode.Append, FileAccess.Write, FileShare.ReadWrite))
            using (var second = File.OpenHandle(errors, FileMode.Append, FileAccess.Write, FileShare.ReadWrite))
            {
                // A program that hangs ends the test, not the whole run.
                using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
                var messages = new StringWriter();
                var result = ProgramRunner.Run(new ExecOptions
                {
                    Command = command,
                    WorkingDirectory = directory,
                    Ram = 512L << 20,
                    StandardStreams = [none, first, second],
                    Messages = messages,
                    Cancellation = limit.Token,
                });

                Assert.Equal("", messages.ToString());
                Assert.False(limit.IsCancellationRequested, $"It had not ended after five minutes. It wrote: {File.ReadAllText(output)} {File.ReadAllText(errors)}");
                return new Outcome(result.Status, File.ReadAllText(output), File.ReadAllText(errors));
            }
        }
        finally
        {
            File.Delete(output);
            File.Delete(errors);
        }
    }

    /// <summary>Runs a program both ways, each in an empty directory of its own, and compares what it did.</summary>
    public static Outcome Same(params string[] command)
    {
        Requires.Kvm();
        string directory = Directory.CreateTempSubdirectory("pando-exec-").FullName;
        try
        {
            var native = Native(Directory.CreateDirectory(Path.Combine(directory, "native")).FullName, command);
            var exec = Exec(Directory.CreateDirectory(Path.Combine(directory, "exec")).FullName, command);
            Assert.Equal(native, exec);
            Assert.Equal(FilesOf(Path.Combine(directory, "native")), FilesOf(Path.Combine(directory, "exec")));
            return exec;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static List<string> FilesOf(string directory) =>
        [.. Directory.EnumerateFileSystemEntries(directory, "*", SearchOption.AllDirectories)
            .Select(path => $"{Path.GetRelativePath(directory, path)} {File.GetUnixFileMode(path)} {(File.Exists(path) ? Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path))) : "")}")
            .Order(StringComparer.Ordinal)];
}
