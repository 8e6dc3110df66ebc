using Pando.Files;
using Pando.Spaces;

namespace Pando.Machines;

/// <summary>
/// Walks a whole machine at rest and checks every invariant of the design: whose each table is, that every leaf shows
/// what it should and no more rights than it may, that attached spans equal their windows, that counts equal what is
/// counted, and that every frame in use is accounted for.
/// </summary>
internal sealed class Auditor(Machine machine)
{
    public AuditReport Run()
    {
        var audit = new AuditState(machine);
        var owners = audit.Store.Owners.Snapshot();
        var spaces = new SpaceAudit(audit);
        foreach (var space in owners.OfType<AddressSpace>())
        {
            spaces.Check(space);
        }

        var files = new FileAudit(audit);
        foreach (var tables in owners.OfType<FileTables>())
        {
            files.Check(tables);
        }

        foreach (var device in machine.Devices)
        {
            foreach (string violation in new DeviceAudit(device).Violations())
            {
                audit.Expect(false, $"{violation}");
            }
        }

        new FrameAudit(audit).Check(owners);
        new TranslationAudit(audit).Check();
        audit.Expect(audit.Store.OpenGathers == 0, $"{audit.Store.OpenGathers} flush gathers were begun and not finished");
        return audit.Report();
    }
}
