/** Small parts for all panels; none of them knows the store. */
export * from './ApprovalForm';
export * from './controls';
export * as figures from './figures';
export * from './hints';
export * from './icons';
export * from './labIcons';
export * from './Mended';
export * from './Meter';
export * from './ProfileCard';
export * from './SameCalls';
export * from './sections';
export * from './StateMark';
export * from './StepMark';
export * from './StepStrip';
export * from './Thumbs';
export * from './useModal';
export * from './words';
