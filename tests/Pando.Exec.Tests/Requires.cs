using Pando.Kvm.Guests;

namespace Pando.Exec.Tests;

/// <summary>What a test needs of the machine; where it is missing the test is skipped and says why.</summary>
internal static class Requires
{
    public static void Kvm()
    {
        var availability = KvmAvailability.Check();
        Assert.SkipUnless(availability.IsUsable, availability.Reason);
    }

    /// <summary>The full path of a program in PATH.</summary>
    public static string Program(string name)
    {
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "/bin:/usr/bin").Split(':')
            .Select(directory => Path.Combine(directory, name)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, $"{name} is not installed.");
        return path!;
    }
}
