namespace Pando.Linux.Analysis;

/// <summary>
/// Paths of cgroups as /proc/PID/cgroup writes them: "/a/b" below the reader's own root, "/../c" beside it. The reader's
/// root is the machine's, or, in a cgroup namespace, the cgroup in which the namespace was made; the kernel leads from
/// there to any other cgroup by the shortest way (kernfs_path_from_node), so a path is as good as an identity.
/// </summary>
internal static class CgroupPath
{
    private const string Up = "..";

    /// <summary>True if <paramref name="path"/> is the cgroup <paramref name="top"/> or lies below it. Neither is the
    /// empty path, which stands for "not known".</summary>
    public static bool IsInside(string path, string top)
    {
        if (path.Length == 0 || top.Length == 0)
        {
            return false;
        }

        var inner = Parts(path);
        var outer = Parts(top);
        var rise = Rise(inner);
        var topRise = Rise(outer);
        if (rise != topRise)
        {
            // "/x" lies below "/..", and below nothing else that is reached by going up.
            return rise < topRise && topRise == outer.Length;
        }

        return inner.Length >= outer.Length && outer.AsSpan().SequenceEqual(inner.AsSpan(0, outer.Length));
    }

    /// <summary>
    /// The names that lead from <paramref name="top"/> down to <paramref name="path"/>. Null if it does not lie there; and if
    /// <paramref name="top"/> lies above the reader's root ("/.."), since nothing tells by what names the way leads down to that.
    /// </summary>
    public static string[]? Below(string path, string top)
    {
        var inner = Parts(path);
        var outer = Parts(top);
        return IsInside(path, top) && Rise(inner) == Rise(outer) ? inner[outer.Length..] : null;
    }

    /// <summary>The cgroup above, or null for the reader's root and for what lies beside it by ".." alone.</summary>
    public static string? ParentOf(string path)
    {
        var parts = Parts(path);
        return parts.Length == 0 || parts[^1] == Up ? null : "/" + string.Join('/', parts[..^1]);
    }

    /// <summary>The cgroup above, also for the reader's root and above it: "/.." of "/", as long as that is not higher than <paramref name="rise"/> levels
    /// above the reader's root.</summary>
    public static string? ParentOf(string path, int rise)
    {
        var parts = Parts(path);
        return ParentOf(path) ?? (parts.Length < rise ? "/" + string.Join('/', Enumerable.Repeat(Up, parts.Length + 1)) : null);
    }

    /// <summary>How many levels above the reader's root the path begins.</summary>
    public static int RiseOf(string path) => Rise(Parts(path));

    /// <summary>The path without repeated or trailing slashes, and with a leading one.</summary>
    public static string Normal(string path) => "/" + string.Join('/', Parts(path));

    /// <summary>Its names, from the top down.</summary>
    public static string[] Parts(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries);

    private static int Rise(string[] parts) => parts.TakeWhile(p => p == Up).Count();
}
