import AggregatorCore
import Glibc
import RuntimeSupport
import Store
import Telemetry
import TestSupport
import Testing

@Suite("limits.conf") struct LimitsFileTests {
    @Test("is read when it has changed, also for tenants that are open; a bad one leaves the limits as they were")
    func reload() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("limits.conf")
        let stores = StoreDirectory(root: directory.path, time: ManualTimeSource())
        defer { stores.closeAll() }
        let acme = try stores.tenant(TenantID(unchecked: "acme"))
        let file = LimitsFile(path)
        #expect(try !file.load(into: stores) && acme.limits == TenantLimits())
        try Files.write(Array("*     queries=3\nacme  samples-per-second=10\n".utf8), to: path)
        #expect(try file.load(into: stores))
        #expect(acme.limits.samplesPerSecond == 10 && acme.limits.queries == 3)
        #expect(stores.limits(of: TenantID(unchecked: "other")).queries == 3)
        #expect(try !file.load(into: stores), "it has not changed")
        try Files.write(Array("acme  samples-per-second=many\n".utf8), to: path)
        let error = #expect(throws: TenantLimits.Invalid.self) { try file.load(into: stores) }
        #expect(error?.description.contains("line 1") == true && acme.limits.samplesPerSecond == 10)
        #expect(try !file.load(into: stores), "it is told once")
        try Files.write(Array("acme  queries=7\n".utf8), to: path)
        #expect(try file.load(into: stores))
        #expect(acme.limits.samplesPerSecond == 0 && acme.limits.queries == 7)
        unlink(path)
        #expect(try file.load(into: stores) && acme.limits.queries == 32)
    }
}
