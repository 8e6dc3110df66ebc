namespace Pando.Spaces;

/// <summary>Why a fault went to a user-fault handler (userfaultfd(2)).</summary>
public enum UserFaultKind
{
    /// <summary>The page does not exist.</summary>
    Missing,

    /// <summary>The file has the page, but this space does not map it yet.</summary>
    Minor,

    /// <summary>A store to a page that is protected against them.</summary>
    WriteProtect,
}
