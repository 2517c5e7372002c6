import Sealing
package import Telemetry
package import WireFormat

/// The earliest that it can be now, by what was signed for this agent. A node without a clock battery boots in 1970;
/// the broker's certificate is then checked at this time, or it would not be valid yet.
///
/// Only signed time moves it (the agent's certificate, key bundles, acknowledgements), and never past the end of the
/// certificate less seven days, so that no clock of an aggregator makes every certificate look expired for good.
/// What is kept belongs to one certificate: enrolling anew begins anew.
package struct TimeFloor: Sendable {
    package static let marginMilliseconds: Int64 = 7 * 86_400_000
    /// A floor that moved by less is not written again, to spare the medium.
    package static let keptEveryMilliseconds: Int64 = 86_400_000

    package private(set) var time: Timestamp
    private let serial: ID128
    private let latest: Timestamp
    private var keptTime: Timestamp

    /// - Parameter kept: ``encoded`` of an earlier start; bytes that say nothing, or of another certificate, are left out.
    package init(certificate: Certificate, bundleIssuedAt: Timestamp, kept: [UInt8]?) {
        serial = certificate.serial
        latest = max(certificate.notBefore, certificate.notAfter.advanced(byMilliseconds: -Self.marginMilliseconds))
        time = certificate.notBefore
        keptTime = certificate.notBefore
        if let kept = Self.decode(kept ?? [], serial) {
            time = min(max(time, kept), latest)
            keptTime = time
        }
        _ = hear(bundleIssuedAt)
    }

    /// Takes a time that somebody whom the agent trusts has signed.
    /// - Returns: whether ``encoded`` is worth keeping now; taken as kept.
    package mutating func hear(_ signed: Timestamp) -> Bool {
        time = min(max(time, signed), latest)
        guard time.milliseconds(since: keptTime) >= Self.keptEveryMilliseconds else { return false }
        keptTime = time
        return true
    }

    package var encoded: [UInt8] { Kept(serial: serial, time: time).encoded() }

    private static func decode(_ bytes: [UInt8], _ serial: ID128) -> Timestamp? {
        // Damage costs the floor, which grows again with the next signed time.
        guard let kept = try? Kept(decoding: bytes), kept.serial == serial else { return nil }
        return kept.time
    }

    /// The certificate's serial and the floor.
    package struct Kept: WireRecord {
        var serial: ID128
        var time: Timestamp

        init(serial: ID128, time: Timestamp) {
            self.serial = serial
            self.time = time
        }
        package init(fieldsFrom reader: inout ByteReader) throws(WireError) {
            serial = try reader.readIdentifier("serial")
            time = try reader.readTimestamp("time floor")
        }
        package func encodeFields(into writer: inout ByteWriter) {
            writer.write(serial)
            writer.write(time)
        }
    }
}
