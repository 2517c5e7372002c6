/// Bounds of the chunk group format; see ``ChunkGroupEncoder`` and ``ChunkGroupReader``.
///
/// A chunk group holds long chunks of many series of one agent: timelines once, then a compressed
/// directory, then streams in zstd frames of bounded size, so that one series costs one frame.
public enum ChunkGroup {
    /// What is written. Version 1, which has no packed streams and other summaries, is read, too.
    public static let version: UInt8 = 2
    public static let versionsRead: ClosedRange<UInt8> = 1...2
    /// Streams are gathered into frames up to this many raw bytes; a longer stream has its own frame.
    public static let frameBytesUsual = 64 * 1024
    public static let frameBytesMax = 1024 * 1024
    public static let headBytesMax = 8 * 1024 * 1024
    public static let timelinesMax = 1024
    public static let seriesMax = 65_536
    public static let samplesMax = 64_000_000
    public static let framesMax = 16_384
    public static let packedBytesMax = 1 << 30

    /// Sums, minima, maxima and last values in version 1; last values in version 2.
    static let lastsFlag: UInt8 = 1
    static let startsFlag: UInt8 = 2
    static let anomaliesFlag: UInt8 = 4
}
