import AgentCore
import Telemetry
import Testing
import WireFormat

@Suite("The floor of the time at which certificates are checked")
struct TimeFloorTests {
    private static let day: Int64 = 86_400_000
    private let enrolled = Timestamp(seconds: 1_767_225_600)

    private func certificate(serial: UInt64 = 1, days: Int64 = 90) -> Certificate {
        Certificate(
            serial: ID128(high: 0, low: serial), tenant: TenantID(unchecked: "t"), agent: AgentID(unchecked: "a"),
            identityKey: .zero, boxKey: .zero, notBefore: enrolled,
            notAfter: enrolled.advanced(byMilliseconds: days * Self.day))
    }
    private func after(days: Int64) -> Timestamp { enrolled.advanced(byMilliseconds: days * Self.day) }

    @Test("R20: only signed times move the floor, forwards, and not into the certificate's last week")
    func moves() {
        var floor = TimeFloor(certificate: certificate(), bundleIssuedAt: .distantPast, kept: nil)
        #expect(floor.time == enrolled)
        _ = floor.hear(after(days: 10))
        _ = floor.hear(after(days: 3))
        #expect(floor.time == after(days: 10))
        _ = floor.hear(.distantFuture)
        #expect(floor.time == after(days: 83))
        #expect(TimeFloor(certificate: certificate(), bundleIssuedAt: after(days: 4), kept: nil).time == after(days: 4))
        // A certificate of less than a week is at least valid when it begins.
        var short = TimeFloor(certificate: certificate(days: 2), bundleIssuedAt: .distantPast, kept: nil)
        _ = short.hear(after(days: 1))
        #expect(short.time == enrolled)
    }

    @Test("R20: the floor survives a start in 1970, is written at most daily, and belongs to one certificate")
    func kept() {
        var floor = TimeFloor(certificate: certificate(), bundleIssuedAt: .distantPast, kept: nil)
        var writes = 0
        var bytes: [UInt8]?
        for minute in 0..<Int64(3 * 1440) {
            if floor.hear(enrolled.advanced(byMilliseconds: minute * 60_000)) {
                writes += 1
                bytes = floor.encoded
            }
        }
        #expect(writes == 2)
        #expect(TimeFloor(certificate: certificate(), bundleIssuedAt: .distantPast, kept: bytes).time == after(days: 2))
        let renewed = TimeFloor(certificate: certificate(serial: 2), bundleIssuedAt: .distantPast, kept: bytes)
        #expect(renewed.time == enrolled)
        for count in 0..<(bytes ?? []).count {
            let cut = TimeFloor(
                certificate: certificate(), bundleIssuedAt: .distantPast, kept: Array((bytes ?? []).prefix(count)))
            #expect(cut.time == enrolled)
        }
    }
}
