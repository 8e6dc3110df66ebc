using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.Versioning;
using Pando.Exec.Running;
using Pando.Hardware;
using Pando.Spaces;

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

    [Fact]
    public void Many_that_map_one_file_have_its_tables_once()
    {
        Requires.Kvm();
        string compiler = Requires.Program("gcc");
        string program = Compiled.GetOrAdd(("mappers", true), key => new Lazy<string>(() => Compile(compiler, key.Item1, key.Item2))).Value;
        string directory = Directory.CreateTempSubdirectory("pando-exec-").FullName;
        try
        {
            var shared = Run(program, directory, SharingLevels.All);
            var apart = Run(program, directory, SharingLevels.None);

            // 256 MiB in leaves of 2 MiB are one table of PMDs: the file's, or one more of each process's.
            Assert.Equal(61, shared.MostProcesses);
            Assert.InRange(shared.Tables.Files.Sum(), 1, 8);
            Assert.Equal(0, apart.Tables.Files.Sum());
            Assert.True(shared.Tables.Spaces[Level.Pmd] + 60 <= apart.Tables.Spaces[Level.Pmd], $"{shared.Tables.Spaces[Level.Pmd]} and {apart.Tables.Spaces[Level.Pmd]} tables of PMDs");
            Assert.True(shared.Tables.Spaces.Sum() * 4096 <= 61 * (32 << 10), $"{shared.Tables.Spaces.Sum()} tables of 61 processes' own");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static ExecResult Run(string program, string directory, SharingLevels sharing)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        using var none = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        var result = ProgramRunner.Run(new ExecOptions
        {
            Command = [program],
            WorkingDirectory = directory,
            Ram = 512L << 20,
            Sharing = sharing,
            StandardStreams = [none, none, none],
            Cancellation = limit.Token,
        });
        Assert.Equal(0, result.Status);
        return result;
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
