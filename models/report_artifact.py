"""Report artifacts: the files that runs of reports made."""

from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, described


class ReportArtifact(Base):
    """
    Grain: one format of one run. Written in the transaction that ends the run; removed after REPORT_RETENTION_DAYS.

    The same period, parameters and events give the same bytes.
    """

    __tablename__ = "report_artifact"
    __table_args__ = (described("What runs of reports made: one file for each format, as it is."),)

    run_id: Mapped[UUID] = mapped_column(primary_key=True, comment="Run in report_run that made it.")
    format: Mapped[str] = mapped_column(primary_key=True, comment="Name of the format, such as html or json.")
    sha256: Mapped[bytes] = mapped_column(LargeBinary, comment="Hash of the body.")
    body_bytes: Mapped[int] = mapped_column(BigInteger, comment="Size of the body.")
    body: Mapped[bytes] = mapped_column(LargeBinary, comment="The file.")
