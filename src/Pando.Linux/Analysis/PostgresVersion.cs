using System.Globalization;
using System.Text.RegularExpressions;

namespace Pando.Linux.Analysis;

/// <summary>
/// The version of a PostgreSQL server, by which its settings exist or stop it: huge_pages since 9.4 (unix sockets and SysV
/// memory before 9.3), shared_memory_type since 12, huge_page_size since 14, shared_memory_size_in_huge_pages since 15,
/// huge_pages_status since 17 (release notes).
/// </summary>
internal static partial class PostgresVersion
{
    /// <summary>By PG_VERSION ("15", "9.6"), else by the path of the program; null if neither tells.</summary>
    public static decimal? Of(string dataVersion, string executable)
    {
        if (Parse(dataVersion) is { } version)
        {
            return version;
        }

        var match = InPath().Matches(executable).LastOrDefault();
        return match is null ? null : Parse(match.Groups[1].Value);
    }

    private static decimal? Parse(string text)
    {
        if (!decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var version) || version is < 7 or > 99)
        {
            return null;
        }

        return version < 10 ? version : decimal.Truncate(version);
    }

    // /usr/lib/postgresql/15/bin, /usr/pgsql-13/bin, /usr/lib/postgresql15/bin, /nix/store/...-postgresql-14.9/bin, /usr/edb/as15/bin, /opt/PostgreSQL/9.6/bin
    [GeneratedRegex("(?:postgres(?:ql)?|pgsql|/pg|/as)[-_/]?v?([0-9]{1,2}(?:\\.[0-9]{1,2})?)(?:\\.[0-9]+)?/", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex InPath();
}
