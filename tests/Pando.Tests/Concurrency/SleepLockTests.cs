using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

public class SleepLockTests
{
    [Fact]
    public void Who_takes_it_again_and_again_lets_those_pass_who_wait()
    {
        var sleepLock = new SleepLock(LockRank.Invalidate);
        for (int round = 0; round < 50; round++)
        {
            bool passed = false;
            Thread thread;
            using (sleepLock.Hold())
            {
                thread = new Thread(() =>
                {
                    using var held = sleepLock.Hold();
                    passed = true;
                });
                thread.Start();
                SpinWait.SpinUntil(() => sleepLock.IsWaitedFor);
            }

            sleepLock.LetOthersPass();
            using (sleepLock.Hold())
            {
                Assert.True(passed);
            }

            thread.Join();
        }
    }

    [Fact]
    public void Nobody_is_waited_for_where_nobody_waits()
    {
        var sleepLock = new SleepLock(LockRank.Invalidate);
        sleepLock.LetOthersPass();
        using (sleepLock.Hold())
        {
            Assert.True(sleepLock.IsHeld);
        }

        sleepLock.LetOthersPass();
        Assert.False(sleepLock.IsHeld);
    }
}
