/// What zstd will make of a stream, about: the entropy of its bytes, and what its code for them costs.
enum StreamCost {
    /// For each of the different bytes. Few bytes look more regular than what they come from (half a bit each, Miller
    /// 1955), and zstd's code is for many streams at once; four bits did best on recorded and on made-up metrics.
    private static let bitsPerByteUsed = 4.0

    /// - Complexity: O(bytes).
    static func bytes(_ stream: Slice<UnsafeRawBufferPointer>) -> Int {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 256) { counts in
            counts.initialize(repeating: 0)
            for byte in UnsafeRawBufferPointer(rebasing: stream) { counts[Int(byte)] &+= 1 }
            var bits = Double(stream.count) * logarithm(Double(max(stream.count, 1)))
            for count in counts where count > 0 {
                bits += bitsPerByteUsed - Double(count) * logarithm(Double(count))
            }
            return Int(bits / 8)
        }
    }

    /// To base two, within 0.01. Of positive normal numbers.
    private static func logarithm(_ value: Double) -> Double {
        let mantissa = value.significand
        return Double(value.exponent) + (2 - mantissa / 3) * mantissa - 5.0 / 3
    }
}
