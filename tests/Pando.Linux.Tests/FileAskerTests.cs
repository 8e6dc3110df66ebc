using Pando.Linux.Proc;

namespace Pando.Linux.Tests;

/// <summary>The child that asks where an answer may never come: what it is blamed for, and what it is not.</summary>
[Collection(nameof(LiveLinux))]
public class FileAskerTests
{
    private const uint Device = 0xfff00001; // nobody's
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(50);

    [Fact]
    public void A_child_that_starts_slowly_is_waited_for_and_its_device_is_not_called_silent()
    {
        using var asker = new FileAsker(["sh", "-c", "sleep 1; exec \"$@\"", "sh", .. TestProcessGroup.FileAsker], Short, new TimeBudget(null));

        var answer = asker.Ask(Device, "/proc/self/exe");

        Assert.NotNull(answer);
        Assert.Empty(asker.SilentDevices);
    }

    [Fact]
    public void A_program_that_is_no_child_of_this_kind_is_tried_once_and_no_device_is_blamed()
    {
        var time = new TimeBudget(TimeSpan.FromSeconds(2));
        time.Begin();
        time.Until(0.25);
        using var asker = new FileAsker(["sleep", "600"], Short, time);

        Assert.Null(asker.Ask(Device, "/proc/self/exe"));
        time.Until(1);
        Assert.Null(asker.Ask(Device, "/proc/self/exe"));
        Assert.Empty(asker.SilentDevices);
    }
}
