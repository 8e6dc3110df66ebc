using System.Globalization;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>What objects are called where maps gives one several names, or several one.</summary>
internal static class ObjectNames
{
    private const string Deleted = " (deleted)";

    /// <summary>The object with the better of two names: one that is not deleted, and then the first seen. Shared anonymous memory
    /// that one process has named is that under its other name too.</summary>
    public static ObjectFacts Better(ObjectFacts known, string name, ObjectKind kind)
    {
        var isBetter = known.Name != name && known.Name.EndsWith(Deleted, StringComparison.Ordinal) && !name.EndsWith(Deleted, StringComparison.Ordinal);
        return (isBetter, known.Kind) switch
        {
            (true, ObjectKind.File) => known with { Name = name, Kind = kind },
            (true, _) => known with { Name = name },
            _ => known,
        };
    }

    /// <summary>Gives objects of one device and inode what tells them apart: the namespace, else their order.</summary>
    public static List<ObjectFacts> TellApart(List<ObjectFacts> objects, List<string> scopes)
    {
        foreach (var group in objects.Where(o => o.Device.Length > 0).GroupBy(o => (o.Device, o.Inode)).Where(g => g.Count() > 1))
        {
            var texts = group.Select(o => scopes[o.Number]).ToList();
            var distinct = texts.All(t => t.Length > 0) && texts.Distinct().Count() == texts.Count;
            foreach (var (facts, i) in group.Select((o, i) => (o, i)).ToList())
            {
                objects[facts.Number] = facts with { Scope = distinct ? texts[i] : (i + 1).ToString(CultureInfo.InvariantCulture) };
            }
        }

        return objects;
    }
}
