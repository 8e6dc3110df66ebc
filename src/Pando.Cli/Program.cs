using System.CommandLine;
using Pando.Cli.Commands;

var root = new RootCommand("Pando: processes that map the same file share the file's page tables.");
root.Subcommands.Add(ScanCommand.Create());
root.Subcommands.Add(ExplainCommand.Create());
root.Subcommands.Add(RunCommand.Create());
root.Subcommands.Add(FilesCommand.Create());
root.Subcommands.Add(ExecCommand.Create());
root.Subcommands.Add(FileAskerCommand.Create());
var parsed = root.Parse(args);
return parsed.Errors.Count > 0 ? CommandErrors.Report(parsed) : parsed.Invoke();
