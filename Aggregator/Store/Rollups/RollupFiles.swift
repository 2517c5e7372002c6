import Synchronization
import Telemetry

/// One tier of one tenant: its files and what is to be merged in them.
final class RollupFiles: Sendable {
    let tier: RollupTier
    let files: DayFiles
    let parts = WindowParts()

    init(_ tier: RollupTier, directory: String) {
        self.tier = tier
        files = DayFiles(directory: directory, prefix: tier.filePrefix, daysPerFile: tier.daysPerFile)
    }
}
