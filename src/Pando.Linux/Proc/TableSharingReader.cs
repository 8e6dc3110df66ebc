using System.Text;
using Pando.Linux.Native;

namespace Pando.Linux.Proc;

/// <summary>
/// Finds out whether the kernel can share tables of PTEs between processes: mshare (patches on the list; files of msharefs), ptshare
/// (Android's kernel), the older one of Anolis OS. No released kernel of kernel.org has any of them. Where one does, VmPTE no longer says what
/// a process costs: ptshare counts a shared table for each sharer, mshare's belong to no process at all.
/// </summary>
internal sealed class TableSharingReader(ScanOptions options, FileContents file)
{
    private static readonly (string Option, string Name)[] Options =
        [("CONFIG_MSHARE", "mshare"), ("CONFIG_PTSHARE", "ptshare"), ("CONFIG_PAGETABLE_SHARE", "pgtable_share")];

    private static readonly (string Symbol, string Name)[] Symbols =
        [(" msharefs_", "mshare"), (" ptshare_", "ptshare"), (" pgtable_share_", "pgtable_share")];

    /// <summary>What says so, a few words each; empty if nothing does.</summary>
    public IReadOnlyList<string> Read(IReadOnlyDictionary<string, string> config)
    {
        var found = Options.Where(o => config.GetValueOrDefault(o.Option) == "y").Select(o => $"{o.Name} ({o.Option}=y)").ToList();
        if (Encoding.ASCII.GetString(file.Read(Path.Combine(options.Proc, "filesystems"), out _)).Split('\n').Any(l => l.EndsWith("\tmsharefs", StringComparison.Ordinal)))
        {
            found.Add("mshare (msharefs in /proc/filesystems)");
        }

        // The names of the kernel's functions may be read by all, where nothing forbids it; addresses are not needed.
        if (config.Count == 0 && found.Count == 0)
        {
            var text = file.Read(Path.Combine(options.Proc, "kallsyms"), out _);
            foreach (var (symbol, name) in Symbols)
            {
                if (text.IndexOf(Encoding.ASCII.GetBytes(symbol)) >= 0)
                {
                    found.Add($"{name} (functions{symbol}* in /proc/kallsyms)");
                }
            }
        }

        return found;
    }
}
