public import Telemetry

/// Payload of `up/result`: a signed record, sealed to a recipient of the key bundle.
public struct SealedResult: WireRecord, Hashable {
    public static let sealedBytesMax = 16 * 1024

    /// ``KeyBundle/Recipient/id``.
    public var recipient: ID128
    /// `crypto_box_seal` of the signed record.
    public var sealed: [UInt8]

    public init(recipient: ID128, sealed: [UInt8]) {
        self.recipient = recipient
        self.sealed = sealed
    }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(recipient)
        writer.write(prefixed: sealed)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        recipient = try reader.readIdentifier("recipient")
        sealed = try reader.readArray("sealed result", max: Self.sealedBytesMax)
    }
}
