using System.CommandLine;

var root = new RootCommand("Pando: processes that map the same file share the file's page tables.");
return root.Parse(args).Invoke();
