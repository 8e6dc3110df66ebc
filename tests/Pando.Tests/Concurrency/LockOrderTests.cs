#if PANDO_CHECKED // The ordinary build has neither checks nor schedule points.
using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

public class LockOrderTests
{
    [Fact]
    public void Locks_taken_in_the_order_of_their_ranks_are_allowed()
    {
        int[] words = new int[4];
        LockRank[] ranks = [LockRank.Invalidate, LockRank.Table2, LockRank.Table1, LockRank.FrameBlocks];
        for (int i = 0; i < words.Length; i++)
        {
            WordLock.Enter(ref words[i], ranks[i]);
            Assert.True(LockOrder.Holds(ranks[i]));
        }

        for (int i = words.Length - 1; i >= 0; i--)
        {
            WordLock.Exit(ref words[i], ranks[i]);
            Assert.False(LockOrder.Holds(ranks[i]));
        }

        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void A_lock_taken_against_the_order_is_reported()
    {
        int child = 0, parent = 0;
        WordLock.Enter(ref child, LockRank.Table1);
        var exception = Assert.Throws<LockOrderException>(() => WordLock.Enter(ref parent, LockRank.Table2));
        Assert.Contains("Table1", exception.Message, StringComparison.Ordinal);
        Assert.Contains("Table2", exception.Message, StringComparison.Ordinal);
        Assert.Equal(0, parent);
        WordLock.Exit(ref child, LockRank.Table1);
        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void Two_locks_of_one_rank_at_once_are_reported()
    {
        int first = 0, second = 0;
        WordLock.Enter(ref first, LockRank.Table1);
        Assert.Throws<LockOrderException>(() => WordLock.Enter(ref second, LockRank.Table1));
        WordLock.Exit(ref first, LockRank.Table1);
        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void Two_spaces_may_be_locked_at_once_as_fork_does()
    {
        var parent = default(ReadWriteLock);
        var child = default(ReadWriteLock);
        parent.EnterWrite(LockRank.Space);
        child.EnterWrite(LockRank.Space);
        child.ExitWrite(LockRank.Space);
        Assert.True(LockOrder.Holds(LockRank.Space));
        parent.ExitWrite(LockRank.Space);
        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void A_lock_that_is_released_without_being_held_is_reported()
    {
        int word = 1;
        Assert.Throws<LockOrderException>(() => WordLock.Exit(ref word, LockRank.Limbo));
    }

    [Fact]
    public void A_lock_that_is_held_where_none_may_be_is_reported()
    {
        int word = 0;
        WordLock.Enter(ref word, LockRank.Reclaim);
        Assert.Throws<LockOrderException>(() => LockOrder.AssertNoneHeld());
        WordLock.Exit(ref word, LockRank.Reclaim);
    }

    [Fact]
    public void A_space_that_was_refused_is_not_counted_as_held()
    {
        int word = 0;
        var space = default(ReadWriteLock);
        WordLock.Enter(ref word, LockRank.Table1);
        Assert.Throws<LockOrderException>(() => space.EnterRead(LockRank.Space));
        WordLock.Exit(ref word, LockRank.Table1);

        space.EnterRead(LockRank.Space);
        space.ExitRead(LockRank.Space);
        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void What_one_thread_holds_does_not_bind_another()
    {
        int child = 0, parent = 0;
        WordLock.Enter(ref child, LockRank.Table1);
        var other = new Thread(() =>
        {
            WordLock.Enter(ref parent, LockRank.Table5);
            WordLock.Exit(ref parent, LockRank.Table5);
            parent = 77;
        });
        other.Start();
        other.Join();
        WordLock.Exit(ref child, LockRank.Table1);
        Assert.Equal(77, parent);
    }
}
#endif
