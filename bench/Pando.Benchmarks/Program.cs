using BenchmarkDotNet.Running;
using Pando.Benchmarks;

if (args is ["kvm-costs"])
{
    return KvmCosts.Run();
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
