using System.Diagnostics;

namespace Pando.Linux.Tests;

/// <summary>A file system mounted for one test, with its directory; taken away again with it. Only for root.</summary>
internal sealed class TestMount : IDisposable
{
    private readonly bool _isOwnDirectory;
    private bool _isMounted = true;

    private TestMount(string path, bool isOwnDirectory) => (Path, _isOwnDirectory) = (path, isOwnDirectory);

    public string Path { get; }

    /// <summary>Mounts, or skips the test with the reason. <paramref name="at"/> is a directory to mount on; without it one of its
    /// own is made below <paramref name="parent"/>.</summary>
    public static TestMount Make(string type, string source, string options = "", string? at = null, string parent = "/tmp")
    {
        if (!LiveLinux.IsRoot)
        {
            Assert.Skip("Only root may mount a file system.");
        }

        var path = at ?? System.IO.Path.Combine(parent, "pando-test-" + System.IO.Path.GetRandomFileName());
        var isOwn = !Directory.Exists(path);
        Directory.CreateDirectory(path);
        var (code, error) = Run("mount", ["-t", type, .. options.Length > 0 ? new[] { "-o", options } : [], source, path]);
        if (code == 0)
        {
            return new TestMount(path, isOwn);
        }

        if (isOwn)
        {
            Directory.Delete(path);
        }

        Assert.Skip($"{type} cannot be mounted here: {error.Trim()}");
        throw new InvalidOperationException();
    }

    /// <summary>Takes the mount out of the tree; what is mapped of it stays.</summary>
    public void Detach()
    {
        _isMounted = false;
        Assert.Equal(0, Run("umount", ["-l", Path]).Code);
    }

    public void Dispose()
    {
        if (_isMounted)
        {
            _ = Run("umount", ["-l", Path]);
        }

        if (_isOwnDirectory)
        {
            Directory.Delete(Path);
        }
    }

    public static (int Code, string Error) Run(string program, IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error);
    }
}
