using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Pando.Linux.Native;

namespace Pando.Linux.Proc;

/// <summary>
/// Asks about files of file systems that may not answer: a server that hangs (FUSE, NFS) holds whoever asks, beyond
/// a kill, until it answers. So another process of this program asks, which can be left behind: it ends by itself
/// when the server does answer, and nobody waits for it.
/// </summary>
public sealed class FileAsker : IDisposable
{
    // Devices that hold a child of this program: while they do they are not asked again, so that a later scan
    // (--watch) leaves no second one behind.
    private static readonly ConcurrentDictionary<uint, Process> Silent = new();

    private const int MostTurns = 10;
    private const int LongestText = 64;
    private const char AboutFile = 'f', AboutMemory = 'm', ForText = 't';
    private const string None = "-";

    // To start a program is not to answer: on a busy machine it takes as long as it takes.
    private static readonly TimeSpan MostStart = TimeSpan.FromSeconds(20);

    // Each is waited for, and holds a child until it answers: with more of them the machine is beyond help by asking.
    private const int MostSilent = 4;

    private readonly FileContents _file = new();
    private readonly IReadOnlyList<string> _command;
    private readonly TimeSpan _patience;
    private readonly TimeBudget _time;
    private Process? _child;
    private bool _cannotStart;

    internal FileAsker(IReadOnlyList<string> command, TimeSpan patience, TimeBudget time) => (_command, _patience, _time) = (command, patience, time);

    /// <summary>Devices that gave no answer.</summary>
    internal HashSet<uint> SilentDevices { get; } = [];

    /// <summary>
    /// The child's side: reads questions from <paramref name="questions"/>, a line each, and writes a line for each answer,
    /// until the end of input. A program that gives <see cref="ScanOptions.FileAsker"/> calls this when it is started
    /// with that command.
    /// </summary>
    public static void Serve(TextReader questions, TextWriter answers)
    {
        ArgumentNullException.ThrowIfNull(questions);
        ArgumentNullException.ThrowIfNull(answers);
        answers.WriteLine("ready");
        answers.Flush();
        while (questions.ReadLine() is { Length: > 0 } question)
        {
            // The kind, and the path as one line.
            var path = question[1..].Replace("\\n", "\n", StringComparison.Ordinal).Replace("\\s", "\\", StringComparison.Ordinal);
            answers.WriteLine(question[0] switch
            {
                AboutFile => FileFacts.TryAsk(path, withFileSystem: true, withHandle: true, out var answer) ? Text(answer) : None,
                AboutMemory => MemoryFile.Ask(path) is { } file ? Text(file) : None,
                ForText => Convert.ToHexString(new FileContents().ReadPlain(path, LongestText)),
                _ => None,
            });
            answers.Flush();
        }
    }

    /// <summary>Asks about one file, by a link in /proc/PID/map_files. Null if the kernel refuses, if the device does not answer
    /// now or did not before, if several do not answer or the time is over, or if there is nobody to ask.</summary>
    internal FileAnswer? Ask(uint device, string path) => Ask(AboutFile, device, path) is { } line ? Parse(line) : null;

    /// <summary>The same of a file of a tmpfs or hugetlbfs that is known by its path alone.</summary>
    internal MemoryFile? AskMemory(uint device, string path) => Ask(AboutMemory, device, path) is { } line ? ParseMemory(line) : null;

    /// <summary>The few bytes of an ordinary file; empty where there is none, or it is longer. What is not known by a device is known by the number that
    /// stands for it in <see cref="SilentDevices"/>.</summary>
    internal string ReadText(uint device, string path)
    {
        try
        {
            return Ask(ForText, device, path) is { } line ? System.Text.Encoding.ASCII.GetString(Convert.FromHexString(line)).Trim() : "";
        }
        catch (FormatException)
        {
            return "";
        }
    }

    /// <summary>The child's answer, a line.</summary>
    private string? Ask(char kind, uint device, string path)
    {
        if (_command.Count == 0 || _cannotStart || _time.IsOver || SilentDevices.Count >= MostSilent || SilentDevices.Contains(device))
        {
            return null;
        }

        if (Silent.TryGetValue(device, out var left))
        {
            if (!left.HasExited)
            {
                SilentDevices.Add(device);
                return null;
            }

            Silent.TryRemove(device, out _);
            left.Dispose();
        }

        try
        {
            if (_child is null)
            {
                _child = Start();
                if (!_child.StandardOutput.ReadLineAsync().Wait(_time.Left(MostStart)))
                {
                    // Nothing was asked yet: no device is silent, and no other child would do better.
                    _cannotStart = true;
                    LeaveBehind()?.Dispose();
                    return null;
                }
            }

            _child.StandardInput.WriteLine(kind + path.Replace("\\", "\\s", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal));
            _child.StandardInput.Flush();
            if (!TryReadLine(_child, out var line))
            {
                SilentDevices.Add(device);
                if (LeaveBehind() is { } child && !Silent.TryAdd(device, child))
                {
                    child.Dispose();
                }

                return null;
            }

            return line;
        }
        catch (Exception e) when (e is IOException or System.ComponentModel.Win32Exception or AggregateException or InvalidOperationException)
        {
            LeaveBehind()?.Dispose();
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => LeaveBehind()?.Dispose();

    /// <summary>The child ends at once, or when the file system lets it go.</summary>
    private Process? LeaveBehind()
    {
        if (_child is not { } child)
        {
            return null;
        }

        _child = null;
        try
        {
            child.StandardInput.Close();
            child.Kill();
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It has ended.
        }

        return child;
    }

    /// <summary>The child's next line. False if none came in time although the child slept: one that uses or waits for a
    /// processor is waited for.</summary>
    private bool TryReadLine(Process child, out string? line)
    {
        var read = child.StandardOutput.ReadLineAsync();
        for (var turns = 0; turns < MostTurns; turns++)
        {
            if (read.Wait(_time.Left(_patience)))
            {
                line = read.Result;
                return true;
            }

            if (_time.IsOver || !IsRunning(child.Id))
            {
                break;
            }
        }

        line = null;
        return false;
    }

    private bool IsRunning(int pid)
    {
        var stat = _file.Read(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"), out _);
        var name = stat.LastIndexOf((byte)')');
        return name >= 0 && stat.Length > name + 2 && stat[name + 2] == (byte)'R';
    }

    private Process Start()
    {
        // No stream of this program's is left to the child: whoever reads them must not wait for it.
        var start = new ProcessStartInfo(_command[0]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        foreach (var word in _command.Skip(1))
        {
            start.ArgumentList.Add(word);
        }

        return Process.Start(start) ?? throw new InvalidOperationException("the program was not started");
    }

    private static string Text(FileAnswer a) => string.Create(CultureInfo.InvariantCulture,
        $"{a.Mode} {a.NodeMajor} {a.NodeMinor} {(long)a.Inode} {a.Size} {a.ChangedAt} {(a.IsDax ? 1 : 0)} {a.FileSystemType} {a.BlockSize} {a.Handle}");

    private static string Text(MemoryFile f) => string.Create(CultureInfo.InvariantCulture, $"{f.Size} {f.Allocated} {(long)f.Inode} {f.SystemSize} {f.SystemFree} {f.SystemFiles}");

    private static MemoryFile? ParseMemory(string text) =>
        TryNumbers(text.Split(' '), 6, out var n) ? new MemoryFile(n[0], n[1], (ulong)n[2], n[3], n[4], n[5]) : null;

    private static bool TryNumbers(string[] words, int count, out long[] numbers)
    {
        numbers = new long[count];
        for (var i = 0; i < count; i++)
        {
            if (words.Length < count || !long.TryParse(words[i], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out numbers[i]))
            {
                return false;
            }
        }

        return true;
    }

    private static FileAnswer? Parse(string text)
    {
        var words = text.Split(' ');
        if (words.Length < 10 || !TryNumbers(words, 9, out var numbers))
        {
            return null;
        }

        return new FileAnswer((int)numbers[0], (uint)numbers[1], (uint)numbers[2], (ulong)numbers[3], numbers[4], numbers[5], numbers[6] != 0, numbers[7], numbers[8], words[9]);
    }
}
