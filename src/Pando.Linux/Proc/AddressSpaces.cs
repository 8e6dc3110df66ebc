using System.Runtime.InteropServices;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// Finds processes that run in one address space without being threads of one process: between vfork and exec, and after
/// clone(CLONE_VM). kcmp tells, for processes that may be looked into, and orders them, so that n of them take n log n
/// questions.
/// </summary>
internal static class AddressSpaces
{
    private const nint Space = 1; // KCMP_VM

    // Forked workers have one layout; above this many of them only those with the same VmPTE are compared.
    private const int MostOfOneLayout = 1000;

    private static nint CompareCall => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 312 : 272; // kcmp

    /// <summary>Leaves one process of each address space, the one with the lowest number, and names the others with it. Each question waits for a process that is
    /// in the middle of exec; <paramref name="heart"/> beats after each.</summary>
    public static ProcessFacts[] Join(ProcessFacts[] processes, Heartbeat heart)
    {
        var sharers = new Dictionary<int, List<int>>(); // first process to the others
        foreach (var group in processes.Where(p => p.Mappings is { Count: > 0 }).GroupBy(p => (p.Mappings![0], p.Mappings.Count > 1 ? p.Mappings[^2].Start : 0)))
        {
            var alike = group.ToList();
            foreach (var some in alike.Count > MostOfOneLayout ? alike.GroupBy(p => p.TableBytes).Select(g => g.ToList()) : [alike])
            {
                Join(some, sharers, heart);
            }
        }

        if (sharers.Count == 0)
        {
            return processes;
        }

        var others = sharers.Values.SelectMany(o => o).ToHashSet();
        return [.. processes.Where(p => !others.Contains(p.Pid)).Select(p => sharers.TryGetValue(p.Pid, out var same) ? p with { SameSpace = [.. same.Order()] } : p)];
    }

    private static void Join(List<ProcessFacts> alike, Dictionary<int, List<int>> sharers, Heartbeat heart)
    {
        // 0: one address space; 1 and 2: the first has the lower, the higher one; negative: not to be told.
        nint Compare(int one, int other)
        {
            var answer = LibC.SystemCall(CompareCall, one, other, Space, 0, 0);
            heart.Beat();
            return answer;
        }

        if (alike.Count < 2)
        {
            return;
        }

        var pids = alike.Select(p => p.Reader == p.Pid ? p.Pid : 0).Where(p => p > 0 && Compare(p, p) == 0).ToArray();
        try
        {
            Array.Sort(pids, (a, b) => Compare(a, b) switch { 0 => a.CompareTo(b), 1 => -1, 2 => 1, _ => a.CompareTo(b) });
        }
        catch (InvalidOperationException e) when (e.InnerException is not OperationCanceledException)
        {
            return; // some ended meanwhile, so that the order was none
        }

        var first = 0;
        for (var i = 1; i < pids.Length; i++)
        {
            if (Compare(pids[first], pids[i]) != 0)
            {
                first = i;
                continue;
            }

            CollectionsMarshal.GetValueRefOrAddDefault(sharers, pids[first], out _) ??= [];
            sharers[pids[first]].Add(pids[i]);
        }
    }
}
