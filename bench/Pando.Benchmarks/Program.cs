using BenchmarkDotNet.Running;
using Pando.Benchmarks;

if (args is ["kvm-costs"])
{
    return KvmCosts.Run();
}

if (args is ["kvm-faults"])
{
    return KvmFaults.Run();
}

if (args is ["growth", .. var options])
{
    return GrowthCosts.Run(options);
}

if (args is ["kvm-sharing", .. var chosen])
{
    return KvmSharing.Run(chosen);
}

if (args is ["scan-growth", .. var most])
{
    return ScanGrowth.Run(most);
}

if (args is ["scan-reading", .. var things])
{
    return ScanReading.Run(things);
}

if (args is ["image-reading", .. var image])
{
    return ImageReading.Run(image);
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
