using System.Globalization;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// Redis and its kin save by fork. With transparent huge pages of private memory each first write after it copies 2 MiB, not
/// 4 KiB: latency and memory, not page tables, so that there is no number. Since 6.2 they refuse such pages by themselves.
/// </summary>
internal static class RedisAdvice
{
    private const long Worthwhile = 1L << 20;

    public static IEnumerable<Advice> Write(AdviceContext context, IReadOnlyList<Service> services)
    {
        if (context.Snapshot.Machine.TransparentHugePages != "always")
        {
            yield break;
        }

        var exposed = services.Where(s => s.Kind == ServiceKind.Redis && s.Leader.TableBytes >= Worthwhile && s.Leader.Service?.RefusesHugePages != true).ToList();
        if (exposed.Count == 0)
        {
            yield break;
        }

        yield return new Advice(
            string.Create(CultureInfo.InvariantCulture, $"Redis: no transparent huge pages for {string.Join(", ", exposed.Take(4).Select(AdviceContext.Name))}"), ObjectFacts.Anonymous, null,
            [
                "disable-thp yes   # redis.conf, 6.2 and later (the default there); then restart",
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled   # or, before 6.2: for the whole machine",
                "# check: grep THP_enabled /proc/PID/status says 0, or grep AnonHugePages /proc/PID/smaps_rollup says 0 kB",
            ],
            "More page tables, and more time for each fork (fork copies a table for each 2 MiB); less to copy after it.")
        {
            Service = nameof(ServiceKind.Redis),
        };
    }
}
