using System.Diagnostics;
using System.Reflection;

namespace Pando.Linux.Tests;

/// <summary>
/// Real processes that map memory as the steps say (see Pando.Linux.TestProcess), all forked from one. They live
/// until the group is disposed.
/// </summary>
internal sealed class TestProcessGroup : IDisposable
{
    private readonly Process _process;

    private TestProcessGroup(Process process, IReadOnlyList<int> pids) => (_process, Pids) = (process, pids);

    /// <summary>Process ids; the first is the parent of the others, which are in the order of their numbers.</summary>
    public IReadOnlyList<int> Pids { get; }

    /// <summary>A command for <see cref="Proc.ScanOptions.FileAsker"/>.</summary>
    public static IReadOnlyList<string> FileAsker { get; } = [Dotnet, Program, "ask-files"];

    private static string Dotnet => Environment.ProcessPath is { } p && Path.GetFileNameWithoutExtension(p) == "dotnet" ? p : "dotnet";

    private static string Program => Path.Combine(Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location)!, "Pando.Linux.TestProcess.dll");

    public static TestProcessGroup Start(int count, params string[] steps)
    {
        var start = new ProcessStartInfo(Dotnet)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.ArgumentList.Add(Program);
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0"; // else the runtime's own memory is shared by forked processes

        // Once ready it is still: nothing compiles, collects or listens beside it, and changes its tables while they are read.
        start.Environment["DOTNET_TieredCompilation"] = "0";
        start.Environment["DOTNET_gcConcurrent"] = "0";
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        start.Environment["DOTNET_GCgen0size"] = "0x4000000";
        foreach (var step in steps)
        {
            var makesMemfd = step.StartsWith("memfd,", StringComparison.Ordinal) || step.StartsWith("hugetlb,", StringComparison.Ordinal);
            var hasName = step.Contains(",path=", StringComparison.Ordinal) || step.Contains(",hex=", StringComparison.Ordinal);
            start.ArgumentList.Add(makesMemfd && !hasName ? $"{step},path={LiveLinux.TestName}" : step);
        }

        using var layout = FixedLayout.Begin();
        var process = Process.Start(start)!;
        var said = new List<string>();
        while (said.Count < count && Next(process) is { } line)
        {
            said.Add(line);
        }

        if (said.Count < count || said.Any(l => l != "ready"))
        {
            process.StandardInput.Close();
            Kill([process.Id, .. Children(process.Id)]);
            throw new InvalidOperationException($"The test process said: {string.Join(" / ", said)}");
        }

        return new TestProcessGroup(process, [process.Id, .. Children(process.Id)]);
    }

    /// <summary>The next line, or null at the end of output; ten minutes of silence are a hang.</summary>
    private static string? Next(Process process)
    {
        var line = process.StandardOutput.ReadLineAsync();
        return line.Wait(TimeSpan.FromMinutes(10)) ? line.Result : "(silence)";
    }

    public void Dispose()
    {
        _process.StandardInput.Close(); // all read it, and end at its end
        if (!_process.WaitForExit(TimeSpan.FromMinutes(2)))
        {
            Kill(Pids);
        }

        foreach (var pid in Pids.Skip(1))
        {
            for (var i = 0; i < 12_000 && Directory.Exists($"/proc/{pid}") && !IsZombie(pid); i++)
            {
                Thread.Sleep(10);
            }
        }

        _process.Dispose();
    }

    private static IReadOnlyList<int> Children(int pid)
    {
        try
        {
            return [.. File.ReadAllText($"/proc/{pid}/task/{pid}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).Order()];
        }
        catch (IOException)
        {
            return []; // it has ended
        }
    }

    /// <summary>One by one: Process.Kill of a whole tree reads the command line of every process of the machine, and
    /// would wait for ever for one that is stuck in the kernel.</summary>
    private static void Kill(IReadOnlyList<int> pids)
    {
        foreach (var pid in pids)
        {
            try
            {
                using var process = Process.GetProcessById(pid);
                process.Kill();
            }
            catch (Exception e) when (e is ArgumentException or InvalidOperationException)
            {
                // It has ended.
            }
        }
    }

    private static bool IsZombie(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/stat").Contains(") Z", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return true;
        }
    }
}
