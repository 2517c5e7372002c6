public import Telemetry

/// An HLS playlist (RFC 8216), as far as its freshness needs it.
///
/// Total on any bytes. Tags that are not listed here are passed over, as the specification asks of clients.
/// - Complexity: linear in the bytes.
public struct HLSPlaylist: Sendable, Equatable {
    /// Of a master playlist, in its order; the first is the default.
    public var variants: [String] = []
    public var targetSeconds: Double?
    public var mediaSequence: Double = 0
    public var segmentCount = 0
    public var durationSeconds = 0.0
    public var lastSegment = ""
    public var hasEnded = false
    /// When the last segment ends, by `EXT-X-PROGRAM-DATE-TIME` and the durations after it.
    public var end: Timestamp?

    public static let variantsMax = 64
    /// Longer names of segments are told apart by their beginning.
    public static let nameBytesMax = 1024

    public init() {}

    public init(_ bytes: some Sequence<UInt8>) throws(PolledFault) {
        let text = String(decoding: Array(bytes), as: UTF8.self)
        var lines = text.split(omittingEmptySubsequences: true, whereSeparator: \.isNewline)[...]
        guard lines.popFirst()?.hasPrefix("#EXTM3U") == true else {
            throw PolledFault("the playlist does not begin with #EXTM3U")
        }
        var duration: Double?
        var clock: Double?
        var isVariant = false
        for line in lines {
            guard line.hasPrefix("#") else {
                let name = String(decoding: line.prefix { $0 != " " }.utf8.prefix(Self.nameBytesMax), as: UTF8.self)
                if isVariant {
                    if variants.count < Self.variantsMax { variants.append(name) }
                } else if let duration {
                    segmentCount += 1
                    durationSeconds += duration
                    lastSegment = name
                    clock = clock.map { $0 + duration * 1000 }
                }
                (isVariant, duration) = (false, nil)
                continue
            }
            if let value = Self.value(line, "#EXTINF:") {
                let number = value.prefix { $0 != "," }
                guard let seconds = SourceNumber.parse(number.utf8), (0...Self.secondsMax).contains(seconds) else {
                    throw PolledFault("a segment's duration is no number")
                }
                duration = seconds
            } else if let value = Self.value(line, "#EXT-X-TARGETDURATION:") {
                guard let seconds = SourceNumber.parse(value.utf8), (0...Self.secondsMax).contains(seconds) else {
                    throw PolledFault("the target duration is no number")
                }
                targetSeconds = seconds
            } else if let value = Self.value(line, "#EXT-X-MEDIA-SEQUENCE:") {
                guard let number = SourceNumber.parse(value.utf8), number >= 0 else {
                    throw PolledFault("the media sequence is no number")
                }
                mediaSequence = number
            } else if let value = Self.value(line, "#EXT-X-PROGRAM-DATE-TIME:") {
                clock = ForeignTime.parse(String(value)).map { Double($0.milliseconds) }
            } else if line.hasPrefix("#EXT-X-STREAM-INF:") {
                isVariant = true
            } else if line.hasPrefix("#EXT-X-ENDLIST") {
                hasEnded = true
            }
        }
        // Durations of a playlist that fits its bound cannot leave Int64.
        end = clock.map { Timestamp(milliseconds: Int64($0)) }
        guard !variants.isEmpty || targetSeconds != nil else {
            throw PolledFault("the playlist has neither variants nor a target duration")
        }
    }

    /// A day: a longer segment is a mistake.
    private static let secondsMax = 86_400.0

    private static func value(_ line: Substring, _ tag: String) -> Substring? {
        line.hasPrefix(tag) ? line.dropFirst(tag.count).drop { $0 == " " } : nil
    }
}
