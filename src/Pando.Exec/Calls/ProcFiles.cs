using System.Globalization;
using System.Text;
using Pando.Exec.Files;
using Pando.Exec.Native;
using Pando.Exec.Tasks;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Exec.Calls;

/// <summary>What /proc tells of programs' own processes, made when it is opened; the rest of /proc is the host's.</summary>
internal static class ProcFiles
{
    /// <summary>Opens a path that leads to such a file.</summary>
    /// <returns>The new descriptor or a negative error; null where the path is the host's.</returns>
    internal static long? Open(GuestTask task, byte[] path, int flags)
    {
        string text = Encoding.UTF8.GetString(path.AsSpan(0, path.Length - 1));
        if (OwnDescriptor(text) is { } number && task.Process.Descriptors.ClosesOnExec(number) is not null)
        {
            return Reopen(task, number, flags);
        }

        if (Process(task, text, out string rest) is not { } process)
        {
            return null;
        }

        if (rest == "exe")
        {
            return Reopen(task, [.. Encoding.UTF8.GetBytes(process.Memory.Path), 0], flags);
        }

        if (rest.StartsWith("fd/", StringComparison.Ordinal) && int.TryParse(rest.AsSpan(3), CultureInfo.InvariantCulture, out int descriptor))
        {
            return process == task.Process ? Reopen(task, descriptor, flags) : -Error.EACCES;
        }

        string? content = rest switch
        {
            "maps" => Maps(process),
            "cmdline" => Arguments(task, process),
            "comm" => $"{process.Name}\n",
            "stat" => Stat(process),
            "statm" => Statm(process),
            "status" => Status(process),
            _ => null,
        };
        return content is null ? rest == "auxv" ? Give(task, process.Memory.AuxiliaryVector, flags) : -Error.ENOENT : Give(task, Encoding.UTF8.GetBytes(content), flags);
    }

    /// <summary>Where such a symbolic link leads; null where the path is the host's.</summary>
    internal static byte[]? Link(GuestTask task, byte[] path)
    {
        string text = Encoding.UTF8.GetString(path.AsSpan(0, path.Length - 1));
        if (text == "/proc/self")
        {
            return Encoding.UTF8.GetBytes(task.Process.Id.ToString(CultureInfo.InvariantCulture));
        }

        if (OwnDescriptor(text) is { } number)
        {
            using var use = task.Process.Descriptors.Use(number);
            return use.IsOpen ? Host.PathOf(use.Host) : null;
        }

        if (Process(task, text, out string rest) is not { } process)
        {
            return null;
        }

        if (rest == "exe")
        {
            return Encoding.UTF8.GetBytes(process.Memory.Path);
        }

        if (rest is "cwd" or "root")
        {
            using var directory = process.Files.UseDirectory();
            return rest == "root" ? [(byte)'/'] : Host.PathOf(directory.Host);
        }

        if (rest.StartsWith("fd/", StringComparison.Ordinal) && int.TryParse(rest.AsSpan(3), CultureInfo.InvariantCulture, out int descriptor))
        {
            using var use = process.Descriptors.Use(descriptor);
            return use.IsOpen ? Host.PathOf(use.Host) : null;
        }

        return null;
    }

    private static int? OwnDescriptor(string path) => path switch
    {
        "/dev/stdin" => 0,
        "/dev/stdout" => 1,
        "/dev/stderr" => 2,
        _ when path.StartsWith("/dev/fd/", StringComparison.Ordinal)
            && int.TryParse(path.AsSpan(8), NumberStyles.None, CultureInfo.InvariantCulture, out int number) => number,
        _ => null,
    };

    private static GuestProcess? Process(GuestTask task, string path, out string rest)
    {
        rest = "";
        if (!path.StartsWith("/proc/", StringComparison.Ordinal))
        {
            return null;
        }

        int slash = path.IndexOf('/', 6);
        if (slash < 0)
        {
            return null;
        }

        string name = path[6..slash];
        rest = path[(slash + 1)..].TrimEnd('/');
        if (name is "self" or "thread-self")
        {
            return task.Process;
        }

        return int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? task.System.Table.Process(id) : null;
    }

    private static long Reopen(GuestTask task, int descriptor, int flags)
    {
        using var use = task.Process.Descriptors.Use(descriptor);
        return use.IsOpen ? Reopen(task, [.. Encoding.ASCII.GetBytes($"/proc/self/fd/{use.Host}"), 0], flags) : -Error.ENOENT;
    }

    private static long Reopen(GuestTask task, byte[] path, int flags)
    {
        long opened = Host.CallWithPath(CallNumber.Openat, Host.AtFdCwd, path, flags | Host.OpenCloseOnExec, 0);
        return opened < 0 ? opened : task.Process.Descriptors.Add(new OpenDescription((int)opened), (flags & Host.OpenCloseOnExec) != 0);
    }

    private static unsafe long Give(GuestTask task, byte[] content, int flags)
    {
        if ((flags & 3) != 0)
        {
            return -Error.EACCES;
        }

        long opened;
        fixed (byte* name = "proc\0"u8)
        {
            opened = Host.Call(CallNumber.MemfdCreate, (nint)name, 1);
        }

        if (opened < 0)
        {
            return opened;
        }

        fixed (byte* bytes = content)
        {
            _ = Host.Call(CallNumber.Pwrite64, opened, (nint)bytes, content.Length, 0);
        }

        return task.Process.Descriptors.Add(new OpenDescription((int)opened), (flags & Host.OpenCloseOnExec) != 0);
    }

    private static string Maps(GuestProcess process)
    {
        var text = new StringBuilder();
        var memory = process.Memory;
        foreach (var area in memory.Space.Areas)
        {
            string name = area.File is Memory.HostFile ? area.File.Name
                : area.Range.Start.Value < memory.StackEnd && memory.StackEnd <= area.Range.End.Value ? "[stack]"
                : area.Range.Start.Value >= memory.BreakStart && area.Range.End.Value <= memory.Break && memory.Break > memory.BreakStart ? "[heap]"
                : "";
            var (device, inode) = area.File is Memory.HostFile file ? file.Identity : (0, 0);
            string head = string.Create(
                CultureInfo.InvariantCulture,
                $"{area.Range.Start.Value:x}-{area.Range.End.Value:x} {Letters(area)} {area.Offset:x8} {device >> 8 & 0xFFF:x2}:{device & 0xFF:x2} {inode} ");
            text.Append(name.Length == 0 ? head : head.PadRight(73)).Append(name).Append('\n');
        }

        return text.ToString();
    }

    private static string Letters(in AreaInfo area) =>
        $"{((area.Rights & Rights.Read) != 0 ? 'r' : '-')}{((area.Rights & Rights.Write) != 0 ? 'w' : '-')}{((area.Rights & Rights.Execute) != 0 ? 'x' : '-')}{(area.Shared ? 's' : 'p')}";

    private static string Arguments(GuestTask task, GuestProcess process)
    {
        var (start, end) = process.Memory.Arguments;
        var bytes = new byte[Math.Min(end - start, 1 << 21)];
        return task.System.Memory.TryRead(process.Memory.Space, start, bytes) ? Encoding.UTF8.GetString(bytes) : "";
    }

    private static string State(GuestProcess process) => process.HasEnded ? "Z" : process.IsStopped ? "T" : "R";

    private static long MappedBytes(GuestProcess process) => process.HasEnded ? 0 : process.Memory.Space.Areas.Sum(static area => (long)(area.Range.End.Value - area.Range.Start.Value));

    private static string Stat(GuestProcess process) => string.Create(
        CultureInfo.InvariantCulture,
        $"{process.Id} ({process.Name}) {State(process)} {process.Parent?.Id ?? 0} {process.Group} {process.Session} 0 -1 0 0 0 0 0 0 0 0 0 20 0 {process.TaskCount} 0 0 {MappedBytes(process)} 0 18446744073709551615 0 0 {process.Memory.StackEnd} 0 0 0 0 0 0 0 0 0 {process.EndSignal} 0 0 0 0 0 0 0 0 {process.Memory.BreakStart} {process.Memory.Arguments.Start} {process.Memory.Arguments.End} 0 0 {process.WaitStatus}\n");

    private static string Statm(GuestProcess process) => string.Create(
        CultureInfo.InvariantCulture, $"{MappedBytes(process) / 4096} 0 0 0 0 0 0\n");

    private static string Status(GuestProcess process) => string.Create(
        CultureInfo.InvariantCulture,
        $"Name:\t{process.Name}\nUmask:\t{Convert.ToString(process.Files.Umask, 8).PadLeft(4, '0')}\nState:\t{State(process)}\nTgid:\t{process.Id}\nPid:\t{process.Id}\nPPid:\t{process.Parent?.Id ?? 0}\nTracerPid:\t0\nVmSize:\t{MappedBytes(process) / 1024} kB\nVmPTE:\t{process.Memory.Space.TableCount * 4} kB\nThreads:\t{process.TaskCount}\n");
}
