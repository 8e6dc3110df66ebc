using Pando.Spaces;

namespace Pando.Cli.Run;

/// <summary>The highest level at which a world's processes share tables.</summary>
/// <param name="Name">As the option --share takes it.</param>
/// <param name="Level">The level of the highest shared table; 0 where nothing is shared.</param>
/// <param name="Levels">The same for the machine.</param>
internal sealed record ShareLevel(string Name, int Level, SharingLevels Levels)
{
    public static ShareLevel None { get; } = new("none", 0, SharingLevels.None);

    public static ShareLevel TwoMiB { get; } = new("2MiB", Hardware.Level.Pte, SharingLevels.UpTo2MiB);

    public static ShareLevel OneGiB { get; } = new("1GiB", Hardware.Level.Pmd, SharingLevels.UpTo1GiB);

    public static ShareLevel HalfTiB { get; } = new("512GiB", Hardware.Level.Pud, SharingLevels.UpTo512GiB);

    public static IReadOnlyList<ShareLevel> All { get; } = [None, TwoMiB, OneGiB, HalfTiB];

    /// <summary>Reads one, as given to --share.</summary>
    public static ShareLevel Parse(string text) =>
        All.FirstOrDefault(level => level.Name.Equals(text.Trim(), StringComparison.OrdinalIgnoreCase))
        ?? throw new InputException($"--share: '{text}' is no level at which tables are shared; use {string.Join(", ", All.Select(level => level.Name))}");

    /// <summary>In a sentence.</summary>
    public string Describe => Level == 0 ? "nothing shared" : $"shared at {Name}";
}
