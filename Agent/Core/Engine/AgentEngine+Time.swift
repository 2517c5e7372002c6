import Buffer
import Sealing
import Telemetry
import WireFormat

extension AgentEngine {
    private static let timeFloorKey = "time-floor"

    /// What the identity's own certificate, its bundle and earlier starts say of the time.
    /// - Throws: `WireError` when the identity's certificate cannot be read.
    static func timeFloor(_ identity: AgentIdentity, _ bundle: KeyBundle, _ buffer: Buffer) throws -> TimeFloor {
        // Checked when the identity was made; the file that keeps it is sealed.
        let certificate = try Certificate(decoding: SignedEnvelope(decoding: identity.certificate).body)
        // A buffer that cannot be read costs the days since the certificate was made.
        let kept = try? buffer.value(timeFloorKey)
        return TimeFloor(certificate: certificate, bundleIssuedAt: bundle.issuedAt, kept: kept)
    }

    /// A time that somebody with a role key has signed.
    func hear(_ signed: Timestamp) {
        guard timeFloor.hear(signed) else { return }
        do { try buffer.setValue(Self.timeFloorKey, timeFloor.encoded) } catch {
            parts.report(.rowsNotStored("the time floor could not be kept: \(error)"))
        }
    }
}
