using System.Globalization;
using System.Text;
using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Proc;

/// <summary>Reads more about processes that look like well-known servers: their programs, the arguments that bear on memory,
/// their limits.</summary>
internal sealed class ServiceReader(ScanOptions options, PatientReader reader, FileAsker asker)
{
    // Below, no advice is worth reading; most processes are.
    private const long SmallestTables = 128 << 10;
    private const int MostArguments = 64;
    private const int LongestArgument = 1024;
    private const int LongestCommand = 1 << 20;
    private const int IpcLock = 14; // CAP_IPC_LOCK

    // Stands for a device that is not known: no device has so high a number.
    private const uint OfProcess = 0xff000000;

    /// <summary>Adds what was found to the processes, in place, as far as time allows.</summary>
    public void Read(ProcessFacts[] processes, List<string> notes)
    {
        var chosen = Enumerable.Range(0, processes.Length)
            .Where(i => processes[i].Mappings is not null && (processes[i].TableBytes >= SmallestTables || ServiceFinder.IsKnownName(processes[i].Name)))
            .OrderByDescending(i => processes[i].TableBytes)
            .ToList();
        reader.ForEach(chosen, 1, i => processes[i].Pid, "its arguments", (i, file) => Read(processes[i], file), (i, service) => processes[i] = processes[i] with { Service = service });
        ReadVersions(processes, notes);
    }

    /// <summary>Where the program's path does not tell the version its data does. The directory may lie anywhere, also on a file system that hangs and that no
    /// mountinfo shows any more: a child asks, once for the processes of one directory.</summary>
    private void ReadVersions(ProcessFacts[] processes, List<string> notes)
    {
        var servers = Enumerable.Range(0, processes.Length)
            .Where(i => processes[i].Service is { } s && ServiceFinder.KindOf(processes[i].Name, s.Executable) == ServiceKind.PostgreSql && s.WorkingDirectory.StartsWith('/') && PostgresVersion.Of("", s.Executable) is null)
            .GroupBy(i => processes[i].Service!.WorkingDirectory, StringComparer.Ordinal);
        foreach (var server in servers)
        {
            var first = processes[server.First()];
            var number = OfProcess | ((uint)first.Pid & 0xffffff);
            var version = asker.ReadText(number, string.Create(CultureInfo.InvariantCulture, $"{options.Proc}/{first.Reader}/cwd/PG_VERSION"));
            if (asker.SilentDevices.Contains(number))
            {
                notes.Add($"No answer from the file system on which process {first.Pid} ({Printable.Text(first.Name)}) works: the version of that server is not known.");
            }

            foreach (var i in server)
            {
                processes[i] = processes[i] with { Service = processes[i].Service! with { DataVersion = version } };
            }
        }
    }

    private ServiceFacts? Read(ProcessFacts process, FileContents file)
    {
        var directory = string.Create(CultureInfo.InvariantCulture, $"{options.Proc}/{process.Reader}");
        var executable = Link(directory + "/exe");
        file.Heart.Beat();
        var kind = ServiceFinder.KindOf(process.Name, executable);
        if (kind == ServiceKind.Other)
        {
            return null;
        }

        var status = StatusParser.Parse(file.Read(directory + "/status", out _));
        var limit = LockLimit(file.Read(directory + "/limits", out _));
        var workingDirectory = kind == ServiceKind.PostgreSql ? Link(directory + "/cwd") : "";
        var arguments = Telling(kind, Printable.Decode(file.ReadStart(directory + "/cmdline", LongestCommand)).Split('\0'));
        return new ServiceFacts(executable, workingDirectory, "", arguments, status.ParentPid, limit, (status.Capabilities >> IpcLock & 1) != 0, status.RefusesHugePages);
    }

    /// <summary>Arguments that bear on memory. Others are not kept: they may hold passwords.</summary>
    internal static IReadOnlyList<string> Telling(ServiceKind kind, IReadOnlyList<string> arguments)
    {
        var kept = new List<string>();
        for (var i = 1; i < arguments.Count && kept.Count < MostArguments; i++)
        {
            var argument = arguments[i];
            if (argument.Length > LongestArgument)
            {
                continue;
            }

            // These stand alone; those of QEMU and DPDK have their value in the next word, or after '='.
            var isTelling = kind switch
            {
                ServiceKind.Jvm => argument.StartsWith("-Xm", StringComparison.Ordinal) || (argument.StartsWith("-XX:", StringComparison.Ordinal) && !argument.Contains("OnError", StringComparison.Ordinal) && !argument.Contains("OnOutOfMemory", StringComparison.Ordinal)),
                ServiceKind.MySql => argument.StartsWith("--large", StringComparison.Ordinal) || argument.StartsWith("--innodb-buffer-pool", StringComparison.Ordinal) || argument.StartsWith("--innodb_buffer_pool", StringComparison.Ordinal),
                ServiceKind.Dpdk => argument is "--no-huge" or "--in-memory" or "--legacy-mem" or "--single-file-segments",
                _ => false,
            };
            if (isTelling)
            {
                kept.Add(argument);
            }
            else if (i + 1 < arguments.Count && arguments[i + 1].Length <= LongestArgument && IsFollowed(kind, argument, arguments[i + 1]))
            {
                kept.Add(argument);
                kept.Add(arguments[++i]);
            }
        }

        return kept;
    }

    private static bool IsFollowed(ServiceKind kind, string argument, string value) => kind switch
    {
        ServiceKind.Qemu => argument is "-m" or "-mem-path" or "-name" || (argument == "-object" && value.Contains("memory-backend", StringComparison.Ordinal)),
        ServiceKind.Dpdk => argument is "-m" or "--socket-mem",
        _ => false,
    };

    /// <summary>"Max locked memory  8388608  8388608  bytes": the first is the limit that holds.</summary>
    private static long? LockLimit(ReadOnlySpan<byte> text)
    {
        while (ProcText.TryLine(ref text, out var line))
        {
            if (line.StartsWith("Max locked memory"u8))
            {
                line = line["Max locked memory"u8.Length..];
                var word = ProcText.Word(ref line);
                return long.TryParse(Encoding.ASCII.GetString(word), NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : null;
            }
        }

        return null;
    }

    /// <summary>Where a link of /proc leads to; empty if it may not be read. The kernel writes the path itself, no file
    /// system is asked.</summary>
    private static string Link(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
