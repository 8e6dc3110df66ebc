using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.Versioning;

namespace Pando.Exec.Tests;

/// <summary>Small C programs that use one thing hard; each tells what it saw, which is to be what it sees natively.</summary>
[SupportedOSPlatform("linux")]
public class CompiledProgramTests
{
    private static readonly ConcurrentDictionary<(string, bool), Lazy<string>> Compiled = new();

    public static TheoryData<string, bool> Programs
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (string path in Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Programs"), "*.c").Order(StringComparer.Ordinal))
            {
                data.Add(Path.GetFileNameWithoutExtension(path), false);
                data.Add(Path.GetFileNameWithoutExtension(path), true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public void A_program_sees_the_same(string name, bool isStatic)
    {
        string compiler = Requires.Program("gcc");
        string program = Compiled.GetOrAdd((name, isStatic), key => new Lazy<string>(() => Compile(compiler, key.Item1, key.Item2))).Value;
        var outcome = Outcome.Same(program);
        Assert.Equal(0, outcome.Status);
        Assert.NotEqual("", outcome.Output);
    }

    private static string Compile(string compiler, string name, bool isStatic)
    {
        string source = Path.Combine(AppContext.BaseDirectory, "Programs", $"{name}.c");
        string program = Path.Combine(AppContext.BaseDirectory, "Programs", $"{name}{(isStatic ? ".static" : "")}");
        using var process = Process.Start(new ProcessStartInfo(compiler, ["-O2", "-Wall", "-pthread", .. isStatic ? ["-static"] : Array.Empty<string>(), "-o", program, source])
        {
            RedirectStandardError = true,
        })!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.SkipWhen(isStatic && process.ExitCode != 0 && errors.Contains("cannot find", StringComparison.Ordinal), "The static C library is not installed.");
        Assert.True(process.ExitCode == 0, errors);
        return program;
    }
}
