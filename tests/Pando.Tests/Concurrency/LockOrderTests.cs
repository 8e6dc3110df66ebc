#if PANDO_CHECKED // The ordinary build has neither checks nor schedule points.
using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

public class LockOrderTests
{
    [Fact]
    public void Locks_taken_in_the_order_of_their_ranks_are_allowed()
    {
        int table = 0, child = 0, blocks = 0;
        var invalidate = new InvalidateLock();
        using (invalidate.Change())
        {
            using (WordLock.Hold(ref table, LockRank.Table2))
            using (WordLock.Hold(ref child, LockRank.Table1))
            {
                using (WordLock.Hold(ref blocks, LockRank.FrameBlocks))
                {
                    Assert.True(LockOrder.Holds(LockRank.FrameBlocks));
                    Assert.True(LockOrder.Holds(LockRank.Table1));
                }

                Assert.False(LockOrder.Holds(LockRank.FrameBlocks));
                Assert.True(LockOrder.Holds(LockRank.Table2));
            }

            Assert.False(LockOrder.Holds(LockRank.Table2));
            Assert.True(LockOrder.Holds(LockRank.Invalidate));
        }

        Assert.Equal((0, 0, 0), (table, child, blocks));
        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void A_lock_taken_against_the_order_is_reported()
    {
        int child = 0, parent = 0;
        using (WordLock.Hold(ref child, LockRank.Table1))
        {
            var exception = Assert.Throws<LockOrderException>(() => WordLock.Hold(ref parent, LockRank.Table2).Dispose());
            Assert.Contains("Table1", exception.Message, StringComparison.Ordinal);
            Assert.Contains("Table2", exception.Message, StringComparison.Ordinal);
            Assert.Equal(0, parent);
        }

        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void Two_locks_of_one_rank_at_once_are_reported()
    {
        int first = 0, second = 0;
        using (WordLock.Hold(ref first, LockRank.Table1))
        {
            Assert.Throws<LockOrderException>(() => WordLock.Hold(ref second, LockRank.Table1).Dispose());
        }

        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void Two_spaces_may_be_locked_at_once_as_fork_does()
    {
        var parent = new ReadWriteLock(LockRank.Space);
        var child = new ReadWriteLock(LockRank.Space);
        using (parent.Write())
        {
            using (child.Write())
            {
                Assert.True(LockOrder.Holds(LockRank.Space));
            }

            Assert.True(LockOrder.Holds(LockRank.Space));
        }

        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void A_lock_that_is_released_without_being_held_is_reported()
    {
        int word = 0;
        Assert.Throws<LockOrderException>(() =>
        {
            var scope = WordLock.Hold(ref word, LockRank.Limbo);
            scope.Dispose();
            scope.Dispose();
        });
    }

    [Fact]
    public void A_lock_that_is_held_where_none_may_be_is_reported()
    {
        int word = 0;
        using (WordLock.Hold(ref word, LockRank.Limbo))
        {
            Assert.Throws<LockOrderException>(() => LockOrder.AssertNoneHeld());
        }
    }

    [Fact]
    public void A_space_that_was_refused_is_not_counted_as_held()
    {
        int word = 0;
        var space = new ReadWriteLock(LockRank.Space);
        using (WordLock.Hold(ref word, LockRank.Table1))
        {
            Assert.Throws<LockOrderException>(() => space.Read().Dispose());
        }

        using (space.Read())
        {
            Assert.True(LockOrder.Holds(LockRank.Space));
        }

        LockOrder.AssertNoneHeld();
    }

    [Fact]
    public void What_one_thread_holds_does_not_bind_another()
    {
        int child = 0, parent = 0;
        using (WordLock.Hold(ref child, LockRank.Table1))
        {
            var other = new Thread(() =>
            {
                WordLock.Hold(ref parent, LockRank.Table5).Dispose();
                parent = 77;
            });
            other.Start();
            other.Join();
        }

        Assert.Equal(77, parent);
    }
}
#endif
