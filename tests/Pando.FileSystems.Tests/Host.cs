using System.Diagnostics;

namespace Pando.FileSystems.Tests;

/// <summary>Programs of the host that make and judge images. A test that needs one that is missing is skipped, with the reason.</summary>
internal static class Host
{
    public static bool IsRoot => Environment.IsPrivilegedProcess;

    public static void Need(params string[] programs)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Skip("Only Linux has these programs.");
        }

        foreach (var program in programs)
        {
            if (Find(program) is null)
            {
                Assert.Skip($"{program} is not installed (packages xfsprogs, e2fsprogs, util-linux, coreutils).");
            }
        }
    }

    public static void NeedRoot()
    {
        if (!IsRoot)
        {
            Assert.Skip("Only root may mount a file system.");
        }
    }

    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin").Split(':').Select(d => Path.Combine(d, program)).FirstOrDefault(File.Exists);

    public static (int Code, string Output, string Error) Run(string program, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Find(program) ?? program) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    /// <summary>What a program wrote, which must end well.</summary>
    public static string Output(string program, params IEnumerable<string> arguments)
    {
        var (code, output, error) = Run(program, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)}: exit code {code}: {error}{output}");
        return output;
    }

    public static void Shell(string commands) => Output("bash", "-e", "-c", commands);
}
