using System.CommandLine;
using Pando.Cli.FileMaps;
using Pando.Cli.Views;

namespace Pando.Cli.Commands;

/// <summary>pando files IMAGE [PATH]: where files lie, and how much of them large leaves could show.</summary>
internal static class FilesCommand
{
    private static readonly Argument<string> Image = new("IMAGE") { Description = "An XFS or ext4 image, a block device, or a mounted file or directory (asked by FIEMAP)." };
    private static readonly Argument<string?> InImage = new("PATH") { Arity = ArgumentArity.ZeroOrOne, Description = "A file or directory in the image; without it, all files." };
    private static readonly Option<bool> Json = new("--json") { Description = "Write the report as JSON (docs/file-systems.md has the schema)." };
    private static readonly Option<bool> Mounted = new("--mounted") { Description = "Ask the kernel where IMAGE itself lies, even if a file system is in it." };
    private static readonly Option<int> Top = new("--top") { Description = "How many rows.", DefaultValueFactory = _ => 20, HelpName = "ROWS" };

    public static Command Create()
    {
        var command = new Command("files", "Where the files of an XFS or ext4 image lie, and how much of them leaves of 2 MiB and 1 GiB could show.") { Image, InImage, Json, Mounted, Top };
        command.SetAction(parsed => CommandErrors.Guard(() => Run(parsed)));
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        var image = parsed.GetValue(Image)!;
        if (parsed.GetValue(Top) <= 0)
        {
            return CommandErrors.Fail("--top needs a number of rows above zero, as in: --top 50");
        }

        if (!OperatingSystem.IsLinux())
        {
            return CommandErrors.Fail("Images are read on Linux only.");
        }

        if (image.Length == 0 || image.Contains('\0', StringComparison.Ordinal))
        {
            return CommandErrors.Fail("IMAGE is no path. Give an image, a block device, or a mounted file, as in: pando files /dev/pmem0");
        }

        var report = FilesReader.Read(image, parsed.GetValue(InImage), parsed.GetValue(Mounted));
        if (parsed.GetValue(Json))
        {
            Console.Out.WriteLine(FilesJson.Write(report));
        }
        else
        {
            FilesView.Write(Console.Out, Console.IsOutputRedirected || Console.WindowWidth <= 0 ? null : Console.WindowWidth, report, parsed.GetValue(Top));
        }

        return 0;
    }
}
