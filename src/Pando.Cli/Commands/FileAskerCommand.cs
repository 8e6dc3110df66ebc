using System.CommandLine;
using Pando.Linux.Proc;

namespace Pando.Cli.Commands;

/// <summary>The child of a scan that asks about files whose file system may not answer; not for people.</summary>
internal static class FileAskerCommand
{
    private const string Name = "ask-files";

    /// <summary>This program, started again as the child.</summary>
    public static IReadOnlyList<string> CommandLine() => Environment.ProcessPath is not { } program ? []
        : Path.GetFileNameWithoutExtension(program) == "dotnet" ? [program, Path.Combine(AppContext.BaseDirectory, "pando.dll"), Name]
        : [program, Name];

    public static Command Create()
    {
        var command = new Command(Name, "Answer a scan's questions about files.") { Hidden = true };
        command.SetAction(_ => CommandErrors.Guard(Run));
        return command;
    }

    private static int Run()
    {
        FileAsker.Serve(Console.In, Console.Out);
        return 0;
    }
}
